/** A Markdown table as Prettier would write it: columns as wide as their widest cell, numbers to the right. */

/** @typedef {string | number} Cell */

/**
 * @param {readonly string[]} head
 * @param {readonly (readonly Cell[])[]} rows
 * @returns {string}
 */
export function table(head, rows) {
  const isNumber = head.map((_, at) => rows.every((row) => typeof row[at] === 'number'));
  const text = [head, ...rows.map((row) => row.map(cell))];
  const widths = head.map((_, at) => Math.max(3, ...text.map((row) => (row[at] ?? '').length)));
  const line = (/** @type {readonly string[]} */ row) =>
    `| ${row.map((each, at) => (isNumber[at] ? each.padStart(widths[at] ?? 0) : each.padEnd(widths[at] ?? 0))).join(' | ')} |`;
  const rule = widths.map((width, at) =>
    isNumber[at] ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width),
  );
  const [first = [], ...others] = text;
  return [line(first), line(rule), ...others.map(line)].join('\n');
}

/** @param {Cell} value */
function cell(value) {
  if (typeof value === 'string') return value;
  if (!Number.isFinite(value)) return '–';
  return Math.abs(value) >= 1_000 ? Math.round(value).toLocaleString('en-US') : String(value);
}
