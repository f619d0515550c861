/**
 * Prints rows of a Parquet file as JSON, by hyparquet: `node out/examples/parquet-rows.js FILE [FIRST [COUNT]]`, from
 * row 0 and ten rows by default. Only the metadata and the pages of these rows are read.
 */
import { parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { MappedFile } from 'sliding-mmap';
import { toAsyncBuffer } from 'sliding-mmap/adapters';

async function print(path: string, first: number, count: number): Promise<void> {
  await using mapped = await MappedFile.open(path);
  const file = toAsyncBuffer(mapped);
  const metadata = await parquetMetadataAsync(file);
  const rowEnd = Math.min(Number(metadata.num_rows), first + count);
  const rows = first < rowEnd ? await parquetReadObjects({ file, metadata, rowStart: first, rowEnd }) : [];
  for (const row of rows) {
    console.log(JSON.stringify(row, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value)));
  }
}

const [path, first = '0', count = '10'] = process.argv.slice(2);
if (path === undefined || ![first, count].every((number) => /^\d+$/.test(number))) {
  console.error('Usage: parquet-rows FILE [FIRST [COUNT]]');
  process.exitCode = 2;
} else {
  print(path, Number(first), Number(count)).catch((error: Error) => {
    console.error(`parquet-rows: ${error.message}`);
    process.exitCode = 1;
  });
}
