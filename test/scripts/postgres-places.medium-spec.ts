import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { dataFolder, postgresBinaries, RUN_AS } from '../../scripts/postgres-binaries.js';
import { openTempFolder, remove } from './command.js';

const NOBODY = 65534;
const asRoot = RUN_AS === NOBODY ? it : it.skip;

/** Programs that only answer `--version`, so that reach and rights can be tried without copying 60 MB. */
describe('the place of PostgreSQL’s programs and data', () => {
  let temp: string;
  let other: string;
  let native: string;

  beforeEach(() => {
    temp = openTempFolder();
    other = openTempFolder();
    native = join(temp, 'package', 'native');
    mkdirSync(join(native, 'bin'), { recursive: true });
    mkdirSync(join(native, 'lib'));
    writeFileSync(join(native, '..', 'package.json'), '{"version":"1"}');
    writeFileSync(join(native, 'lib', 'libx.so.1'), '');
    writeFileSync(
      join(native, 'pg-symlinks.json'),
      JSON.stringify([{ source: 'native/lib/libx.so.1', target: 'native/lib/libx.so' }]),
    );
    program('exit 0');
  });

  afterEach(() => [temp, other].forEach(remove));

  function program(script: string, mode = 0o755): void {
    writeFileSync(join(native, 'bin', 'postgres'), `#!/bin/sh\n${script}\n`);
    chmodSync(join(native, 'bin', 'postgres'), mode);
  }

  it('is the package itself, its links made, where it can be reached', () => {
    expect(postgresBinaries({ native })).toEqual({ bin: join(native, 'bin') });
    expect(readlinkSync(join(native, 'lib', 'libx.so'))).toBe('libx.so.1');
    expect(postgresBinaries({ native })).toEqual({ bin: join(native, 'bin') });
  });

  asRoot(
    'is a copy under the temp folder when the package lies in a folder like root’s home',
    () => {
      chmodSync(temp, 0o700);
      const { bin, moved } = postgresBinaries({ native, uid: NOBODY, temps: [other] });
      expect(moved).toMatch(new RegExp(`^${other}/fanfare-[0-9a-f]{12}/native$`));
      expect(bin).toBe(join(moved ?? '', 'bin'));
      expect(readlinkSync(join(moved ?? '', 'lib', 'libx.so'))).toBe('libx.so.1');
      const inode = statSync(bin).ino;
      expect(postgresBinaries({ native, uid: NOBODY, temps: [other] })).toEqual({ bin, moved });
      expect(statSync(bin).ino).toBe(inode); // copied once
      writeFileSync(join(native, '..', 'package.json'), '{"version":"2"}');
      postgresBinaries({ native, uid: NOBODY, temps: [other] });
      expect(statSync(bin).ino).not.toBe(inode); // and again for another version
    },
  );

  asRoot('passes over a temp folder that is out of reach as well', () => {
    chmodSync(temp, 0o700);
    const closed = join(temp, 'closed');
    mkdirSync(closed);
    const { moved } = postgresBinaries({ native, uid: NOBODY, temps: [closed, other] });
    expect(dirname(dirname(moved ?? ''))).toBe(other);
  });

  it('says so when programs may run nowhere, as where temp folders are mounted noexec', () => {
    program('exit 0', 0o644); // execve answers EACCES, exactly as on such a mount
    expect(() => postgresBinaries({ native, temps: [other] })).toThrow(
      new RegExp(`no program may run from ${other} \\(mounted noexec\\?\\)\\. Set TMPDIR`),
    );
  });

  it('says so when the programs do not run on this system', () => {
    program('echo "wrong C library" >&2; exit 1');
    expect(() => postgresBinaries({ native, temps: [other] })).toThrow(
      "PostgreSQL's programs from npm do not run on this system (wrong C library): give DATABASE_URL",
    );
  });

  asRoot('trusts no folder of somebody else under the temp folder', () => {
    chmodSync(temp, 0o700);
    const { moved } = postgresBinaries({ native, uid: NOBODY, temps: [other] });
    chmodSync(dirname(moved ?? ''), 0o777);
    expect(() => postgresBinaries({ native, uid: NOBODY, temps: [other] })).toThrow(
      'is not a folder of this user alone',
    );
  });

  it('keeps data where it was wished', () => {
    const wished = join(temp, 'data');
    expect(dataFolder(wished, RUN_AS, [other])).toEqual({ dir: wished });
    expect(readdirSync(other)).toEqual([]); // and leaves no trace elsewhere
  });

  asRoot('keeps data under the temp folder when the wished one is out of reach', () => {
    chmodSync(temp, 0o700);
    const wished = join(temp, 'data');
    const { dir, moved } = dataFolder(wished, NOBODY, [other]);
    expect(moved).toBe(dir);
    expect(dir).toMatch(new RegExp(`^${other}/fanfare-[0-9a-f]{12}/data$`));
    expect(statSync(dir).uid).toBe(NOBODY);
    expect(existsSync(wished)).toBe(false);
  });

  asRoot('says so when data can be written nowhere', () => {
    chmodSync(temp, 0o700);
    const closed = join(temp, 'closed');
    mkdirSync(closed);
    expect(() => dataFolder(join(temp, 'data'), NOBODY, [closed])).toThrow(
      `PostgreSQL runs as user ${NOBODY} here, which can write neither to`,
    );
  });
});
