import { Module } from '@nestjs/common';
import { PushNotificationsController } from './push-notifications.controller.js';
import { SendService } from './send.service.js';

@Module({ controllers: [PushNotificationsController], providers: [SendService] })
export class PushNotificationsModule {}
