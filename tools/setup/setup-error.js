/** Something that setup cannot do by itself: its message is one line that says what to do. */
export class SetupError extends Error {
  /** @override */
  name = 'SetupError';
}
