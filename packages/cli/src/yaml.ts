/**
 * What the command uses of `yaml`, loaded when it is needed: `await import('./yaml.ts')`. Importing the package itself that way
 * gives something else in the bundle than here: it is CommonJS, and its names are only known to a static import.
 */
export { parseDocument, stringify } from 'yaml';
