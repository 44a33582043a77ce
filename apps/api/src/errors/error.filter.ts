import { Catch } from '@nestjs/common';
import type { ArgumentsHost, ExceptionFilter } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { PinoLogger } from 'nestjs-pino';
import { answerOf } from './answer.js';

/** The only place where an error becomes HTTP, whoever threw it: ours, Nest's or Fastify's. */
@Catch()
export class ErrorFilter implements ExceptionFilter {
  constructor(private readonly logger: PinoLogger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const { status, headers, body, unexpected } = answerOf(error);
    if (unexpected) this.logger.error({ err: error }, 'Request failed');
    void reply.status(status).headers(headers).send(body);
  }
}
