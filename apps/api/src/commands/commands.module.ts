import { Module } from '@nestjs/common';
import { CommandService } from './command.service.js';
import { OperationCommandsController } from './operation-commands.controller.js';
import { PushNotificationCommandsController } from './push-notification-commands.controller.js';

@Module({
  controllers: [OperationCommandsController, PushNotificationCommandsController],
  providers: [CommandService],
})
export class CommandsModule {}
