/** What the product exports, from the build: the rig measures what runs in production. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT } from '../scripts/setup.js';

/**
 * @typedef {object} Libraries
 * @property {typeof import('../libs/providers/src/index.js')} providers
 * @property {typeof import('../libs/persistence/src/index.js')} persistence
 * @property {typeof import('../libs/domain/src/index.js')} domain
 */

/**
 * @template {keyof Libraries} N
 * @param {N} name
 * @returns {Promise<Libraries[N]>}
 */
export const built = (name) =>
  import(pathToFileURL(join(ROOT, 'dist/libs', name, 'src/index.js')).href);
