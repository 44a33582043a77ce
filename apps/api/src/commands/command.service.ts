import type { Uuid } from '@app/domain';
import { CancelRepository, DispatchSignal, RedriveRepository } from '@app/persistence';
import type { CommandTarget, Done, Once } from '@app/persistence';
import { Injectable } from '@nestjs/common';

/** What a caller may do to pushes that were accepted. */
@Injectable()
export class CommandService {
  constructor(
    private readonly cancels: CancelRepository,
    private readonly redrives: RedriveRepository,
    private readonly dispatchers: DispatchSignal,
  ) {}

  /** @throws NotFound, Conflict, Unavailable */
  async cancel(accountId: Uuid, target: CommandTarget): Promise<void> {
    await this.cancels.cancel(accountId, target);
    // Room came free in the credential's window.
    this.dispatchers.notify();
  }

  /** @throws NotFound, Conflict, KeyReused, Unavailable */
  async redrive(accountId: Uuid, target: CommandTarget, once: Once | undefined): Promise<Done> {
    const done = await this.redrives.redrive(accountId, target, once);
    this.dispatchers.notify();
    return done;
  }
}
