/**
 * What may leave the machine in a bug report. Two nets, one after the other: secrets that are known here (values of the
 * environment, of the secrets file, of credentials), wherever they stand, as they are or as JSON writes them; and what looks
 * like a secret: fields and assignments by their name, tokens, keys and credentials in addresses by their form. Ids and
 * fingerprints of the cluster are kept, since without them a report cannot be read.
 */

const MASK = '[redacted]';

/** Shorter values are words and numbers that stand everywhere; masking them would leave nothing to read. */
const KNOWN_CHARS_MIN = 6;

const SECRET_NAME =
  /pass(word|wd|phrase)?|secret|token|credential|authorization|cookie|private|api[-_]?key|bearer|signature/i;

/**
 * A line is looked at up to here; the rest of it is left out. With the bounds in the forms below, which are longer than any name of
 * a field, the work for a line stays small whatever is in it: what logs hold comes in part from strangers.
 */
const LINE_CHARS_MAX = 64 * 1024;

const FORMS: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z0-9 ]+-----[\s\S]*?(?:-----END [A-Z0-9 ]+-----|$)/g, MASK],
  // A signed token: three parts of base64url.
  [/(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g, MASK],
  [/\b(bearer|basic)\s+[\w.~+/=-]{6,}/gi, `$1 ${MASK}`],
  [/(\w:\/\/)[^\s/@"'<>]+@/g, `$1${MASK}@`],
  [/([?&][^=\s&?"]{0,100}(?:token|secret|key|password|signature)[^=\s&?"]{0,100}=)[^&\s"]+/gi, `$1${MASK}`],
  [
    /((?:password|passwd|passphrase|secret|token|credential|api[-_]?key)[\w.-]{0,100}["']?\s{0,20}[:=]\s{0,20})("(?:[^"\\]|\\.)*"|'[^']*'|[^\s,;}\]]+)/gi,
    `$1"${MASK}"`,
  ],
];

export class Redactor {
  readonly #known: readonly string[];

  constructor(secrets: Iterable<string>) {
    const all = new Set<string>();
    for (const secret of secrets) {
      // A line of a longer secret is one too: logs cut them.
      for (const part of [secret, ...secret.split('\n')].map((text) => text.trim())) {
        if (part.length < KNOWN_CHARS_MIN) continue;
        all.add(part);
        all.add(JSON.stringify(part).slice(1, -1));
        all.add(encodeURIComponent(part));
        all.add(Buffer.from(part).toString('base64'));
      }
    }
    // The longest first, so that no end of one is left where another begins.
    this.#known = [...all].sort((a, b) => b.length - a.length);
  }

  text(text: string): string {
    return withoutForms(this.#withoutKnown(text));
  }

  /** A copy whose texts are clean and whose fields with the name of a secret are masked, whatever they hold. */
  value(value: unknown): unknown {
    if (typeof value === 'string') return this.text(value);
    if (Array.isArray(value)) return value.map((item) => this.value(item));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [this.text(key), SECRET_NAME.test(key) ? MASK : this.value(item)]),
    );
  }

  /** One line of a log: JSON by its fields, anything else as text. */
  line(line: string): string {
    if (line.length > LINE_CHARS_MAX) {
      // Before it is cut: half a secret would not be known.
      const clean = this.#withoutKnown(line);
      return `${withoutForms(clean.slice(0, LINE_CHARS_MAX))}… (${clean.length - LINE_CHARS_MAX} more)`;
    }
    if (line.startsWith('{')) {
      try {
        return JSON.stringify(this.value(JSON.parse(line)));
      } catch {
        // Cut or not JSON after all.
      }
    }
    return this.text(line);
  }

  #withoutKnown(text: string): string {
    let clean = text;
    for (const secret of this.#known) clean = clean.replaceAll(secret, MASK);
    return clean;
  }
}

function withoutForms(text: string): string {
  let clean = text;
  for (const [form, mask] of FORMS) clean = clean.replace(form, mask);
  return clean;
}
