import * as flows from './flows';
import { answered, newAddress, newPerson, PASSWORD } from './people';
import { expect, test } from './test';

test('an address is verified by the code of the mail', async ({ page, server }) => {
  const email = newAddress('typist');
  await flows.register(page, email);
  const { code = '' } = await server.mailbox.take(email);
  await page.getByLabel('Code').fill(code);
  await page.getByRole('button', { name: 'Verify', exact: true }).click();
  await expect(page).toHaveURL(/\/login$/);
  await flows.logIn(page, email);
});

test('the step after the registration outlasts a reload', async ({ page, server }) => {
  const email = newAddress('reloader');
  await flows.register(page, email);
  await expect(page).toHaveURL(`${server.url}/verify`);
  await expect(page.getByRole('heading', { name: 'Verify your address' })).toBeFocused();
  const { code = '' } = await server.mailbox.take(email);
  await page.reload();
  await expect(page.getByText(`If ${email} can be registered, a mail is on its way.`)).toBeVisible();
  await expect(page.getByLabel('E-mail address')).toHaveCount(0);
  // As people copy it from mails.
  await page.getByLabel('Code').fill(` ${code.slice(0, 3)} ${code.slice(3)}`);
  await page.getByRole('button', { name: 'Verify', exact: true }).click();
  await expect(page).toHaveURL(/\/login$/);
  await expect(page.getByLabel('E-mail address')).toHaveValue(email);
});

test('a wrong code is refused in words, and the right one still counts', async ({ page, server, watch }) => {
  watch.expect(/account\/verify: .*status of 422/);
  const email = newAddress('hasty');
  await flows.register(page, email);
  const { code = '' } = await server.mailbox.take(email);
  const wrong = code === '000000' ? '111111' : '000000';
  await page.getByLabel('Code').fill(wrong);
  await page.getByRole('button', { name: 'Verify', exact: true }).click();
  await expect(page.getByLabel('Code')).toHaveAccessibleDescription(
    /It is wrong, was used already, or is too old/,
  );
  await page.getByLabel('Code').fill('12');
  await page.getByRole('button', { name: 'Verify', exact: true }).click();
  await expect(page.getByLabel('Code')).toHaveAccessibleDescription(/The code has six digits\./);
  await page.getByLabel('Code').fill(code);
  await page.getByRole('button', { name: 'Verify', exact: true }).click();
  await expect(page).toHaveURL(/\/login$/);
});

test('opening the link of a mail uses nothing up', async ({ page, context, server, request }) => {
  const email = newAddress('scanned');
  await flows.register(page, email);
  const { link } = await server.mailbox.take(email);
  // As a scanner of mails does it.
  const scanned = await request.get(link, { headers: { accept: 'text/html' } });
  expect(scanned.status()).toBe(200);
  const first = await context.newPage();
  await first.goto(link);
  await expect(first.getByRole('button', { name: 'Verify this address' })).toBeVisible();
  await flows.verifyByLink(await context.newPage(), link);
});

test('another mail brings another code, and the one of before is used up', async ({
  page,
  server,
  watch,
}) => {
  watch.expect(/account\/verify: .*status of 422/);
  const email = newAddress('twice-mailed');
  await flows.register(page, email);
  const first = await server.mailbox.take(email);
  await page.getByRole('button', { name: 'Send another mail' }).click();
  await expect(
    page.getByText('If the address waits to be verified, another mail is on its way.'),
  ).toBeVisible();
  const second = await server.mailbox.take(email);
  expect(second.link).not.toBe(first.link);
  await page.goto(second.link);
  await page.getByRole('button', { name: 'Verify this address' }).click();
  await expect(page.getByRole('heading', { name: 'Your address is verified' })).toBeVisible();
  // A link that was used is told to be, also in the same tab, and the page asks for a code instead.
  await page.goto(first.link);
  await page.getByRole('button', { name: 'Verify this address' }).click();
  await expect(page.getByRole('main').getByRole('alert')).toContainText('It is wrong, was used already');
  await expect(page.getByLabel('Code')).toBeVisible();
});

test('a forgotten password is replaced by a mail', async ({ page, server, watch }) => {
  watch.expect(/account\/reset: .*status of 422/);
  const email = newAddress('forgetful');
  await server.createUser(email, { password: PASSWORD });
  await page.goto('/login');
  await page.getByRole('link', { name: 'Forgot your password?' }).click();
  await page.getByLabel('E-mail address').fill(email);
  await page.getByRole('button', { name: 'Send the link' }).click();
  await expect(page.getByRole('status').filter({ hasText: email })).toBeVisible();
  const { link } = await server.mailbox.take(email);
  await page.goto(link);
  const another = 'seven boats under one moon, twice';
  await page.getByLabel(/^New password/).fill(another);
  await page.getByRole('button', { name: 'Set the password' }).click();
  await expect(page.getByRole('heading', { name: 'The password is set' })).toBeVisible();
  await flows.logIn(page, email, another);
  // The link works once.
  await page.goto(link);
  await page.getByLabel(/^New password/).fill(PASSWORD);
  await page.getByRole('button', { name: 'Set the password' }).click();
  await expect(page.getByRole('alert')).toContainText('It is wrong, was used already, or is too old');
});

test('an administrator sets up the account by the link of the command line', async ({ page, server }) => {
  const email = newAddress('founder');
  const link = await server.createUser(email, { admin: true });
  await page.goto(link ?? '');
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel(/^Password/).fill(PASSWORD);
  await page.getByRole('button', { name: 'Set up', exact: true }).click();
  await expect(page.getByRole('heading', { name: 'Everything is set up' })).toBeVisible();
  await flows.logIn(page, email);
  await page.getByRole('link', { name: 'Admin', exact: true }).click();
  await expect(page).toHaveURL(/\/admin\/fleet$/);
  await expect(page.getByRole('heading', { name: 'Workers', exact: true })).toBeVisible();
});

test('whoever is no administrator finds no administration', async ({ contextFor, member }) => {
  const page = await (await contextFor(member)).newPage();
  await page.goto('/admin/users');
  await expect(page.getByRole('heading', { name: 'There is nothing here' })).toBeVisible();
});

test('a guest who wants to see jobs logs in first and gets there', async ({ page, server }) => {
  const { email } = await newPerson(server, 'visitor');
  await page.goto('/jobs?status=failed');
  await expect(page).toHaveURL(/\/login\?next=/);
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel(/^Password/).fill(PASSWORD);
  await page.getByRole('main').getByRole('button', { name: 'Log in' }).click();
  await expect(page).toHaveURL(/\/jobs\?status=failed$/);
});

test('whoever is logged in is led on from the login and the registration', async ({ contextFor, member }) => {
  const page = await (await contextFor(member)).newPage();
  await page.goto('/login');
  await expect(page).toHaveURL(/\/playground/);
  await page.goto('/register');
  await expect(page).toHaveURL(/\/playground/);
  await page.goto('/login?next=%2Fjobs%3Fstatus%3Dfailed');
  await expect(page).toHaveURL(/\/jobs\?status=failed$/);
  // A login elsewhere that could not be linked is told all the same.
  await page.goto('/login#error=link_required');
  await expect(page.getByRole('alert')).toContainText('An account with this address exists already.');
  await expect(page).toHaveURL(/\/login$/);
  await expect(page.getByRole('alert')).toBeVisible();
});

test('what needs a login of the last minutes leads to the form, and back', async ({
  contextFor,
  server,
  watch,
}) => {
  watch.expect(/status of 403/);
  const person = await newPerson(server, 'slow');
  const page = await (await contextFor(person)).newPage();
  await page.route('**/v1/account/password', (route) =>
    route.fulfill({
      status: 403,
      contentType: 'application/problem+json',
      body: JSON.stringify({ title: 'A recent login is needed', code: 'login_too_old' }),
    }),
  );
  await page.goto('/account/security');
  await page.getByLabel(/^Current password/).fill(PASSWORD);
  await page.getByLabel(/^New password/).fill('seven boats under one moon, twice');
  await page.getByRole('button', { name: 'Change the password' }).click();
  await page.getByRole('link', { name: 'Log in again' }).click();
  await expect(page).toHaveURL(/\/login\?next=%2Faccount%2Fsecurity$/);
  await page.getByLabel('E-mail address').fill(person.email);
  await page.getByLabel(/^Password/).fill(PASSWORD);
  await page.getByRole('main').getByRole('button', { name: 'Log in' }).click();
  await expect(page).toHaveURL(/\/account\/security$/);
});

test('a long name ends within the menu, and is there in full', async ({ contextFor, server }) => {
  const person = await newPerson(server, 'long');
  const name = 'Wei of the harbour at the end of the long road, keeper of nine lamps and seven boats';
  await answered(person.api.patch('/v1/account', { data: { display_name: name } }));
  const page = await (await contextFor(person)).newPage();
  for (const width of [1280, 360]) {
    await page.setViewportSize({ width, height: 780 });
    await page.goto('/account');
    await page.getByRole('button', { name: `Account of ${name}` }).click();
    await expect(page.getByRole('menuitem', { name })).toBeVisible();
    await expect(page.getByTitle(name)).toBeVisible();
    const menu = page.getByRole('menu');
    expect(await menu.evaluate(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)).toBe(0);
  }
});

test('logging out ends the session', async ({ contextFor, server }) => {
  const person = await newPerson(server, 'leaver');
  const page = await (await contextFor(person)).newPage();
  await page.goto('/account');
  await page.getByRole('button', { name: /^Account of / }).click();
  await page.getByRole('menuitem', { name: 'Log out' }).click();
  await expect(page.getByRole('link', { name: 'Log in' }).first()).toBeVisible();
  expect((await person.api.get('/v1/session')).status()).toBe(401);
});

test('a login that was ended elsewhere is told, what was written stays, and one comes back', async ({
  contextFor,
  server,
  watch,
}) => {
  watch.expect(/status of 401/);
  const person = await newPerson(server, 'ousted');
  const page = await (await contextFor(person)).newPage();
  await page.goto('/account');
  const name = page.getByLabel('What to call you');
  await name.fill('Wei of the harbour');
  const elsewhere = await (await contextFor()).newPage();
  await flows.logIn(elsewhere, person.email);
  await elsewhere.goto('/account/sessions');
  await elsewhere.getByRole('button', { name: 'Log out everywhere else' }).click();
  await expect(elsewhere.getByRole('button', { name: 'Log out everywhere else' })).toBeHidden();

  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await expect(page.getByRole('alert').first()).toContainText('Your login has ended.');
  await expect(page.getByRole('banner').getByRole('link', { name: 'Log in' })).toBeVisible();
  await expect(name).toHaveValue('Wei of the harbour');
  await page.getByRole('link', { name: 'Log in again' }).first().click();
  await expect(page).toHaveURL(/\/login\?next=%2Faccount$/);
  await expect(page.getByRole('alert')).toHaveCount(0);
  await page.getByLabel('E-mail address').fill(person.email);
  await page.getByLabel(/^Password/).fill(PASSWORD);
  await page.getByRole('main').getByRole('button', { name: 'Log in' }).click();
  await expect(page).toHaveURL(/\/account$/);
  await expect(page.getByRole('button', { name: /^Account of / })).toBeVisible();
  await expect(page.getByText('Your login has ended.')).toHaveCount(0);
});

test('nothing of the playground is left in a tab after a logout', async ({ contextFor, server }) => {
  const page = await (await contextFor(await newPerson(server, 'tidy'))).newPage();
  await page.goto('/playground?model=minilm&task=text-embedding');
  await page.getByRole('textbox', { name: 'Texts, number 1' }).fill('a lamp for nobody else');
  await page.goto('/jobs');
  const kept = () => page.evaluate(() => JSON.stringify(Object.entries(sessionStorage)));
  expect(await kept()).toContain('a lamp for nobody else');
  await page.getByRole('button', { name: /^Account of / }).click();
  await page.getByRole('menuitem', { name: 'Log out' }).click();
  await expect(page.getByRole('banner').getByRole('link', { name: 'Log in' })).toBeVisible();
  await expect.poll(kept).not.toContain('a lamp for nobody else');
});

test('what stands on the playground outlasts a login that ended', async ({ contextFor, server, watch }) => {
  watch.expect(/status of 401/);
  const person = await newPerson(server, 'diver');
  const page = await (await contextFor(person)).newPage();
  await page.goto('/playground?model=minilm&task=text-embedding');
  const text = page.getByRole('textbox', { name: 'Texts, number 1' });
  await text.fill('a lamp under water');
  // After a load of the page as well.
  await page.reload();
  await expect(text).toHaveValue('a lamp under water');
  // The page has the same login.
  await answered(person.api.delete('/v1/session'));

  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(page.getByRole('alert').first()).toContainText('Your login has ended.');
  await expect(text).toHaveValue('a lamp under water');
  await page.getByRole('link', { name: 'Log in again' }).first().click();
  await page.getByLabel('E-mail address').fill(person.email);
  await page.getByLabel(/^Password/).fill(PASSWORD);
  await page.getByRole('main').getByRole('button', { name: 'Log in' }).click();
  await expect(page).toHaveURL(/\/playground/);
  await expect(text).toHaveValue('a lamp under water');
});

test('a new address is asked for once, and waited for', async ({ contextFor, server }) => {
  const person = await newPerson(server, 'mover');
  const next = newAddress('moved');
  const page = await (await contextFor(person)).newPage();
  await page.goto('/account');
  const address = page.getByLabel('E-mail address');
  await expect(address).toHaveValue(person.email);
  await address.fill(next);
  const save = page.getByRole('button', { name: 'Save', exact: true });
  await save.click();
  await expect(page.getByText(`Waiting for ${next} to be confirmed`)).toBeVisible();
  await expect(address).toHaveValue(person.email);
  await server.mailbox.take(next);
  await page.getByLabel('What to call you').fill('Wei');
  const sent = page.waitForRequest((request) => request.method() === 'PATCH');
  await save.click();
  expect((await sent).postDataJSON()).not.toHaveProperty('email');
  await expect(save).toBeDisabled();
  await expect(page.getByText(`Waiting for ${next} to be confirmed`)).toBeVisible();
});
