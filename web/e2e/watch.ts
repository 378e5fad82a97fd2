/** What a page does that nobody sees: errors on the console, refusals of the policy, exceptions. */
import { type BrowserContext, expect, type Page } from '@playwright/test';

const MARK = 'refused by the policy:';

export class Watch {
  private readonly seen: string[] = [];
  private readonly expected: RegExp[] = [
    // Who is a guest is told by this answer; the browser notes it on its console.
    /\/v1\/session\b.*status of 401/,
  ];

  /** Each page of the context from now on. */
  async over(context: BrowserContext) {
    await context.addInitScript((mark) => {
      addEventListener('securitypolicyviolation', (event) => {
        console.error(mark, event.violatedDirective, event.blockedURI, event.sourceFile, event.lineNumber);
      });
    }, MARK);
    context.on('page', (page) => this.page(page));
  }

  /** From now on this is no surprise: the text is `address: message`. */
  expect(...messages: RegExp[]) {
    this.expected.push(...messages);
  }

  get surprises(): string[] {
    return this.seen.filter((message) => !this.expected.some((known) => known.test(message)));
  }

  check() {
    expect(this.surprises, 'errors on the console and refusals of the policy').toEqual([]);
  }

  private page(page: Page) {
    page.on('console', (message) => {
      if (message.type() === 'error') this.seen.push(`${message.location().url}: ${message.text()}`);
    });
    page.on('pageerror', (error) => this.seen.push(`${page.url()}: ${String(error)}`));
  }
}
