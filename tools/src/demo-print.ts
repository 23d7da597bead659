import { styleText } from 'node:util';

type Colour = 'bold' | 'dim' | 'green' | 'red' | 'cyan' | 'yellow';

const colourful = process.stdout.isTTY && !process.env['NO_COLOR'];
const paint = (colour: Colour, text: string): string => (colourful ? styleText(colour, text) : text);
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const indent = (text: string): string => text.replace(/^(?=.)/gm, '     ');

let step = 0;

/** Headline of the next step. */
export function printStep(title: string): void {
  step += 1;
  say(`\n${paint('bold', `${String(step).padStart(2)}  ${title}`)}`);
}

export const printRequest = (line: string): void => say(indent(paint('cyan', line)));
export const printAnswer = (status: number, text: string): void =>
  say(indent(`${paint(status < 400 ? 'green' : 'yellow', String(status))} ${text}`));
export const printNote = (text: string): void => say(indent(paint('dim', text)));
export const printData = (value: unknown): void => say(indent(JSON.stringify(value, null, 2)));
export const printOk = (text: string): void => say(indent(`${paint('green', '✓')} ${text}`));
export const printFailure = (text: string): void => say(`\n${paint('red', '✗')} ${text}`);
export const printEnd = (text: string): void => say(`\n${paint('green', text)}`);

/** Enough of a token to recognise it, too little to use it. */
export const abbreviate = (token: string): string => `${token.slice(0, 10)}… (${token.length} characters)`;

/** Text of an answer with every credential in it abbreviated. */
export const redact = (text: string): string =>
  text.replace(/eyJ[\w-]+\.[\w-]+\.[\w-]+/g, (token) => abbreviate(token)).replace(/whsec_[\w+/=-]+/g, 'whsec_…');
