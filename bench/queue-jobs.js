/** How much lies in the queues, as an operator sees it. */

/**
 * @param {number} metricsPort of a worker
 * @returns {Promise<{ queue: string, jobs: number }[]>} one for each delivery queue and state of a job; none of what did not
 *   answer in time
 */
export async function queueJobs(metricsPort) {
  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  return [...text.matchAll(/^fanfare_queue_jobs\{.*queue="([\w-]+)".*\} (\d+)$/gm)].map(
    ([, queue = '', jobs]) => ({ queue, jobs: Number(jobs) }),
  );
}

/** @param {readonly { jobs: number }[]} counts */
export const sumOf = (counts) => counts.reduce((sum, { jobs }) => sum + jobs, 0);
