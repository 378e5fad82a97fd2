/** What the browser says of a server that is away: of itself, and of a proxy in front of it. */
export const AWAY = [/ERR_(CONNECTION|INCOMPLETE|EMPTY|SOCKET)/, /status of 50[234]/, /Failed to fetch/];
