import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '../..');

/** A command of scripts/ that runs with a temp folder of its own, by which its processes are known. */
export interface RunningCommand {
  pid: number;
  /** All that it wrote so far. */
  output(): string;
  /** Resolves when its output holds the text; rejects when it ends without. */
  says(text: string): Promise<void>;
  /** Exit code, or 128 + the signal's number. */
  ended: Promise<number>;
  signal(signal: NodeJS.Signals): void;
}

/** A temp folder that others may enter: as root, PostgreSQL runs as another user. */
export function openTempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'fanfare-command-'));
  chmodSync(folder, 0o755);
  return folder;
}

/** @param temp its TMPDIR @param env on top of PATH, HOME and TMPDIR */
export function startCommand(
  args: string[],
  temp: string,
  env: Record<string, string> = {},
  node = process.execPath,
): RunningCommand {
  const child = spawn(node, args, {
    cwd: ROOT,
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', TMPDIR: temp, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let isEnded = false;
  const waiting = new Set<() => void>();
  const wake = () => waiting.forEach((check) => check());
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      wake();
    });
  }
  const ended = new Promise<number>((resolve) => {
    child.once('close', (code, signal) => {
      isEnded = true;
      resolve(signal === null ? (code ?? 1) : signal === 'SIGKILL' ? 137 : 130);
      wake();
    });
  });
  return {
    pid: child.pid ?? 0,
    output: () => output,
    ended,
    signal: (signal) => void child.kill(signal),
    says: (text) =>
      new Promise((resolve, reject) => {
        const check = () => {
          if (output.includes(text)) resolve();
          else if (isEnded) reject(new Error(`ended without saying "${text}":\n${output}`));
          else return;
          waiting.delete(check);
        };
        waiting.add(check);
        check();
      }),
  };
}

export interface Found {
  pid: number;
  command: string;
}

/** Processes that name this folder in their command line or, where it can be read, their environment. */
export function processesOf(folder: string): Found[] {
  if (process.platform !== 'linux') {
    const { stdout } = spawnSync('ps', ['-axo', 'pid=,command='], { encoding: 'utf8' });
    return stdout
      .split('\n')
      .filter((line) => line.includes(folder))
      .map((line) => ({ pid: Number.parseInt(line, 10), command: line }));
  }
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    .flatMap((name) => {
      const command = read(`/proc/${name}/cmdline`);
      const isZombie = command === '';
      const names = `${command}${read(`/proc/${name}/environ`)}`.includes(folder);
      return names && !isZombie ? [{ pid: Number(name), command }] : [];
    });
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

/** Resolves when no process names the folder; rejects, naming them, after a while. */
export async function allGone(folder: string, withinMs = 20_000): Promise<void> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const left = processesOf(folder);
    if (left.length === 0) return;
    if (Date.now() > deadline)
      throw new Error(
        `left over: ${left.map(({ pid, command }) => `${pid} ${command}`).join('\n')}`,
      );
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export function remove(folder: string): void {
  for (const { pid } of processesOf(folder)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended meanwhile.
    }
  }
  rmSync(folder, { recursive: true, force: true });
}
