import type { OperationSettings, Uuid } from '@app/domain';
import type { DeliveryRepository, SharedSettings } from '@app/persistence';
import { Batcher } from '@app/platform';
import { compileContent, type ContentTemplate } from '@app/templating';
import { LRUCache } from 'lru-cache';

/** An operation's common part, its templates compiled. */
export interface OperationContent {
  settings: OperationSettings;
  scheduledFor: Date | null;
  template: ContentTemplate;
}

const MAX_OPERATIONS = 1_000;
/** At once: contents of up to 64 KB each. */
const MAX_READ = 100;
/** Of all kept templates; a compiled one takes a multiple of its source. */
const MAX_CHARACTERS = 4_000_000;

/**
 * Loads and compiles each operation's content once; its pushes render from memory. Operations whose first pushes
 * start together share one read: of single sends every push is the first of its operation.
 */
export class OperationContents {
  private readonly cache: LRUCache<Uuid, OperationContent>;

  constructor(deliveries: Pick<DeliveryRepository, 'settings'>) {
    const reads = new Batcher<Uuid, SharedSettings | null>((ids) => deliveries.settings(ids), {
      // The first one waits for nobody; the others collect meanwhile.
      maxWaitMs: 0,
      maxSize: MAX_READ,
      concurrency: 2,
    });
    this.cache = new LRUCache<Uuid, OperationContent>({
      max: MAX_OPERATIONS,
      maxSize: MAX_CHARACTERS,
      sizeCalculation: ({ settings }) => JSON.stringify(settings.content).length,
      // Single flight: the jobs of an operation that start together share one read.
      fetchMethod: async (operationId) => {
        const loaded = await reads.add(operationId);
        if (loaded === null) return undefined;
        const { scheduledFor, ...settings } = loaded;
        return { settings, scheduledFor, template: compileContent(settings.content) };
      },
    });
  }

  /** @throws Unavailable; Error when the operation is gone while a push of it is not. */
  async get(operationId: Uuid): Promise<OperationContent> {
    const content = this.cache.get(operationId) ?? (await this.cache.fetch(operationId));
    if (content === undefined) throw new Error(`Operation ${operationId} is gone.`);
    return content;
  }
}
