/**
 * Writes the types of the TypeScript client from `openapi.json`. `--check [path of another one]` only looks
 * whether they are fresh: exit code 1 when they are not.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { print } from './sentence.js';
import { ROOT } from './setup.js';

/** @import { Json } from './types.js' */

const PATH = 'clients/typescript/src/contract.ts';

/** `Error` would hide JavaScript's own. @param {string} name */
const nameOf = (name) => (name === 'Error' ? 'ErrorBody' : name);

/** @param {Json} openApi @returns {string} unformatted */
function typesOf(openApi) {
  const schemas = Object.entries(openApi.components.schemas).map(([name, schema]) =>
    declaration(nameOf(name), schema),
  );
  const queries = Object.values(openApi.paths)
    .flatMap((path) => Object.values(path))
    .flatMap(({ operationId, parameters = [] }) => {
      const query = parameters.filter((/** @type {Json} */ { in: place }) => place === 'query');
      return query.length === 0 ? [] : [queryDeclaration(operationId, query)];
    });
  return ['/** Generated from openapi.json: do not edit. */', ...schemas, ...queries].join('\n\n');
}

/** @param {string} name @param {Json} schema */
function declaration(name, schema) {
  const type = typeOf(schema);
  const says = docOf(schema);
  return schema.properties !== undefined
    ? `${says}export interface ${name} ${type}`
    : `${says}export type ${name} = ${type};`;
}

/** @param {string} operationId @param {Json[]} parameters */
function queryDeclaration(operationId, parameters) {
  const name = `${operationId[0]?.toUpperCase()}${operationId.slice(1)}Query`;
  const members = parameters.map(({ name, required, schema, description }) =>
    member(name, { description, ...schema }, required),
  );
  return `export interface ${name} {${members.join('')}}`;
}

/** @param {string} name @param {Json} schema @param {boolean} required */
function member(name, schema, required) {
  const key = /^\w+$/.test(name) ? name : JSON.stringify(name);
  const type = typeOf(schema);
  return `\n${docOf(schema)}${key}${required ? ': ' + type : '?: ' + type + ' | undefined'};`;
}

/** @param {Json} schema */
function docOf({ description, default: byDefault }) {
  const sentences = [
    ...(description === undefined ? [] : [description]),
    ...(byDefault === undefined || byDefault === null ? [] : [`Default: ${byDefault}.`]),
  ];
  return sentences.length === 0 ? '' : `/** ${sentences.join(' ').replaceAll('*/', '* /')} */\n`;
}

/** @param {Json} schema JSON Schema, as much of it as the contract uses @returns {string} */
function typeOf(schema) {
  const { $ref, const: constant, enum: values, anyOf, oneOf, allOf, type } = schema;
  if ($ref !== undefined) return nameOf($ref.slice($ref.lastIndexOf('/') + 1));
  if (constant !== undefined) return JSON.stringify(constant);
  if (values !== undefined) return union(values.map((/** @type {Json} */ v) => JSON.stringify(v)));
  if ((anyOf ?? oneOf) !== undefined) return union((anyOf ?? oneOf).map(typeOf));
  if (allOf !== undefined) return allOf.map(typeOf).join(' & ');
  if (Array.isArray(type)) return union(type.map((each) => typeOf({ ...schema, type: each })));
  switch (type) {
    case 'string':
    case 'boolean':
    case 'null':
      return type;
    case 'integer':
    case 'number':
      return 'number';
    case 'array':
      return `(${typeOf(schema.items)})[]`;
    case 'object':
      return objectType(schema);
    default:
      throw new Error(`No type for ${JSON.stringify(schema)}`);
  }
}

/** @param {string[]} types */
const union = (types) => [...new Set(types)].join(' | ');

/** @param {Json} schema */
function objectType({ properties, required = [], additionalProperties }) {
  if (properties === undefined) {
    const isTyped = typeof additionalProperties === 'object' && 'type' in additionalProperties;
    return `Record<string, ${isTyped ? typeOf(additionalProperties) : 'unknown'}>`;
  }
  const members = Object.entries(properties).map(([name, schema]) =>
    member(name, schema, required.includes(name)),
  );
  return `{${members.join('')}}`;
}

const path = join(ROOT, PATH);
const [mode, from = join(ROOT, 'openapi.json')] = process.argv.slice(2);
const openApi = JSON.parse(readFileSync(from, 'utf8'));
const text = await format(typesOf(openApi), { ...(await resolveConfig(path)), filepath: path });
if (mode !== '--check') {
  writeFileSync(path, text);
} else if (readFileSync(path, 'utf8') !== text) {
  print(`${PATH} is not what openapi.json says: npm run openapi writes both anew.`);
  process.exitCode = 1;
}
