export { MappedFileError, type MappedFileErrorCode, type MappedFileErrorDetails } from './errors.js';
