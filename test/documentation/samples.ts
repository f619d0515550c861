/** The files that the programs of the documentation find in the folder in which they run. */
import fs from 'node:fs';
import path from 'node:path';
import { writeArrow, writeGeoTiff, writeParquet, writeZip } from '../parsers/files.js';

/**
 * Writes `access.log`, 20,000 lines in the order of time; `data.bin`, 1 MiB, each number its own position; and what
 * parsers read: `flights.parquet` (6,000 rows), `archive.zip`, `table.arrow`, `map.tiff`.
 */
export async function writeSamples(folder: string): Promise<void> {
  const file = (name: string): string => path.join(folder, name);
  const lines = Array.from({ length: 20_000 }, (_, i) => {
    const when = new Date(Date.UTC(2024, 4, 1) + i * 1000).toISOString();
    const level = i % 100 === 99 ? 'ERROR' : 'INFO';
    return `${when} ${level} GET /items/${(i * 7919) % 1000} ${level === 'INFO' ? 200 : 500} ${i % 97} ms\n`;
  });
  fs.writeFileSync(file('access.log'), lines.join(''));
  const bytes = Buffer.alloc(2 ** 20);
  for (let position = 0; position < bytes.length; position += 4) bytes.writeUInt32LE(position, position);
  fs.writeFileSync(file('data.bin'), bytes);
  writeParquet(file('flights.parquet'), 6000, 500);
  writeArrow(file('table.arrow'), 2, 50);
  writeGeoTiff(file('map.tiff'), 40, 30);
  await writeZip(file('archive.zip'), 20);
}
