#!/usr/bin/env node
/** `boi-router-spread [--by LABEL]`: spreads the tasks of each spec over nodes, or over the values of a label such as `zone`. */
import { parseArgs } from 'node:util';
import { serveRouter } from '@boi/plugin-sdk';
import { Spread } from './spread.ts';

const { values } = parseArgs({ options: { by: { type: 'string' } } });
const spread = new Spread(values.by);

serveRouter({ name: 'router-spread', version: '0.1.0', hint: (request) => spread.hint(request) });
