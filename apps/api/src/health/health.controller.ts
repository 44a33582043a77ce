import { Health } from '@app/contract';
import { Database } from '@app/persistence';
import { runHealthChecks } from '@app/platform';
import { Controller, Get, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Leaving } from '../http/leaving.js';
import { readiness } from './readiness.js';

@ApiTags('Health')
@Controller('health')
export class HealthController {
  constructor(
    private readonly database: Database,
    private readonly leaving: Leaving,
  ) {}

  @Get('live')
  @ApiOperation({ summary: 'Only a restart helps when this fails', security: [] })
  @ApiResponse({ status: 200, description: 'Alive.', standardSchema: Health })
  live(): Health {
    return { status: 'ok', checks: {} };
  }

  @Get('ready')
  @ApiOperation({ summary: 'Whether requests can be taken', security: [] })
  @ApiResponse({ status: 200, description: 'Ready.', standardSchema: Health })
  @ApiResponse({ status: 503, description: 'Not now.', standardSchema: Health })
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<Health> {
    const { ok, checks } = await runHealthChecks(readiness(this.database, this.leaving));
    void reply.status(ok ? 200 : 503);
    return { status: ok ? 'ok' : 'unavailable', checks };
  }
}
