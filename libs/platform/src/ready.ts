/**
 * Tells the process that started this one (over IPC, if there is a channel) that it is ready:
 * `{type: 'ready', ...info}`.
 */
export function announceReady(
  info: Record<string, string | number>,
  host: Pick<NodeJS.Process, 'send'> = process,
): void {
  host.send?.({ type: 'ready', ...info });
}
