import { Module } from '@nestjs/common';
import { OperationErrorsController } from './operation-errors.controller.js';
import { OperationsController } from './operations.controller.js';

@Module({ controllers: [OperationsController, OperationErrorsController] })
export class OperationsModule {}
