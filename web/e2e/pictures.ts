/** Files that tests hand to the pages: the examples of the models. */
import { fileURLToPath } from 'node:url';

export const FACE = fileURLToPath(new URL('../../shared/src/task/examples/face.jpg', import.meta.url));
