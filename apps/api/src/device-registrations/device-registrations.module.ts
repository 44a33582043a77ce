import { Module } from '@nestjs/common';
import { DeviceRegistrationsController } from './device-registrations.controller.js';

@Module({ controllers: [DeviceRegistrationsController] })
export class DeviceRegistrationsModule {}
