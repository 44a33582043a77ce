import { MAX_DEVICES_PER_REGISTRATION, PROVIDERS, formatId } from '@app/domain';
import type { DeviceRegistration as DomainDeviceRegistration } from '@app/domain';
import { z } from 'zod';
import { AppName, id, idText } from './ids.js';
import { Pagination, paging } from './list.js';
import { DeviceToken } from './recipient.js';
import { EVEN_WHEN_BROKEN } from './text.js';

const Device = z
  .strictObject({ token: DeviceToken, provider: z.enum(PROVIDERS) })
  .meta({ id: 'Device' });

export const Register = z
  .strictObject({
    appName: AppName,
    token: DeviceToken,
    provider: z.enum(PROVIDERS),
    userId: id('user').optional().meta({
      description:
        'Whose device it is. Left out: whoever has this token in this App already, else a new user.',
    }),
  })
  .meta({
    id: 'Register',
    // Zod leaves out `examples` of what it transforms.
    example: { appName: 'shop', token: 'sim.ok.my-phone', provider: 'FCM' },
  });
export type Register = z.output<typeof Register>;

const RelatedResource = z
  .strictObject({ name: z.enum(['App', 'User']), uri: z.url() })
  .meta({ id: 'RelatedResource' });

export const DeviceRegistration = z
  .strictObject({
    id: idText('deviceRegistration'),
    appName: AppName,
    userId: idText('user'),
    devices: z.array(Device).min(1).max(MAX_DEVICES_PER_REGISTRATION),
    related: z.array(RelatedResource).meta({ description: 'Its App and its user.' }),
  })
  .meta({
    id: 'DeviceRegistration',
    description: 'The devices of a user in an App: one registration a pair.',
  });
export type DeviceRegistration = z.output<typeof DeviceRegistration>;

export const DeviceRegistrationList = z
  .strictObject({
    deviceRegistrations: z.array(DeviceRegistration),
    pagination: Pagination,
  })
  .meta({ id: 'DeviceRegistrationList' });
export type DeviceRegistrationList = z.output<typeof DeviceRegistrationList>;

export const DeviceRegistrationQuery = z
  .strictObject({
    userId: id('user')
      .optional()
      .meta({ description: 'Required, unless a page token carries it.' }),
    appName: AppName.optional(),
    ...paging,
  })
  .superRefine(({ userId, pageToken }, ctx) => {
    if (userId === undefined && pageToken === undefined) {
      ctx.addIssue({ code: 'custom', message: 'userId is required.', path: ['userId'] });
    }
  }, EVEN_WHEN_BROKEN);
export type DeviceRegistrationQuery = z.output<typeof DeviceRegistrationQuery>;

/** @param locationOf absolute URL of a path below `/v1/PushNotifications`. */
export function toDeviceRegistration(
  registration: DomainDeviceRegistration,
  locationOf: (path: string) => string,
): DeviceRegistration {
  const userId = formatId('user', registration.userId);
  return {
    id: formatId('deviceRegistration', registration.id),
    appName: registration.appName,
    userId,
    devices: registration.devices,
    related: [
      { name: 'App', uri: locationOf(`Apps/${registration.appName}`) },
      { name: 'User', uri: locationOf(`Users/${userId}`) },
    ],
  };
}
