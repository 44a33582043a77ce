import { getCACertificates } from 'node:tls';

/**
 * What Node trusts by itself plus the operator's own authorities, or undefined for Node's default,
 * which it keeps parsed. A given list replaces the default, so that has to be in it.
 *
 * @param ca PEM of extra certificate authorities.
 */
export function trustedRoots(ca: string | undefined): string[] | undefined {
  return ca === undefined ? undefined : [...getCACertificates('default'), ca];
}
