/* An engine that refuses memory which is not its own, as some are built (napi_no_external_buffers_allowed is 22). */
int __wrap_napi_create_external_arraybuffer(void) { return 22; }
int __wrap_napi_create_external_buffer(void) { return 22; }
