/** UTF-8 of a text that comes in pieces, as TextEncoderStream does it: a surrogate pair may be cut between two. */
export class Utf8Pieces {
  #high = '';

  /** The bytes of `text`, without a high surrogate at its end: that waits for what follows. */
  encode(text: string): Buffer {
    if (text === '') return Buffer.alloc(0);
    const whole = this.#high + text;
    const last = whole.charCodeAt(whole.length - 1);
    const cut = last >= 0xd800 && last <= 0xdbff ? whole.length - 1 : whole.length;
    this.#high = whole.slice(cut);
    return Buffer.from(whole.slice(0, cut), 'utf8');
  }

  /** The bytes of U+FFFD if a high surrogate was waiting and its other half did not come; otherwise none. */
  finish(): Buffer {
    const rest = Buffer.from(this.#high, 'utf8');
    this.#high = '';
    return rest;
  }
}
