#!/usr/bin/env node
// Made by `npm run build`: one bundle, since loading a few hundred small modules would triple the start of every command.
await import('../dist/bundle/main.js');
