/** Loads the library and prints how that ended. */
try {
  await import('sliding-mmap');
  console.log('loaded');
} catch (error) {
  console.log(String(error));
}
