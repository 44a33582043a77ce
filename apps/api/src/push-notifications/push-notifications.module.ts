import { Module } from '@nestjs/common';
import { PreflightController } from './preflight.controller.js';
import { PreflightService } from './preflight.service.js';
import { PushNotificationsController } from './push-notifications.controller.js';
import { SendCheck } from './send-check.js';
import { SendResolver } from './send-resolver.js';
import { SendService } from './send.service.js';

@Module({
  controllers: [PreflightController, PushNotificationsController],
  providers: [PreflightService, SendCheck, SendResolver, SendService],
})
export class PushNotificationsModule {}
