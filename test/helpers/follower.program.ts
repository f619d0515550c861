/** Follows a file until something ends with a full stop: `follower FILE PERSISTENT`. Prints what it gets. */
import { MappedFile } from 'sliding-mmap';

const [name, persistent] = process.argv.slice(2) as [string, string];
const file = await MappedFile.open(name);
const reader = file.readable({ follow: { persistent: persistent === 'true' } }).getReader();
const next = (): void => {
  void reader.read().then(
    async ({ value }) => {
      const text = Buffer.from(value!).toString();
      process.stdout.write(text);
      if (!text.endsWith('.')) return next();
      await file.close();
    },
    () => {},
  );
};
next();
