// The parts that make up the addon's exports.
#pragma once

#include <napi.h>

namespace sliding_mmap {

void ExportGuard(Napi::Env env, Napi::Object exports);
void ExportMappings(Napi::Env env, Napi::Object exports);
void ExportFiles(Napi::Env env, Napi::Object exports);
void ExportHotReads(Napi::Env env, Napi::Object exports);
void ExportPrivateViews(Napi::Env env, Napi::Object exports);
void ExportFutexes(Napi::Env env, Napi::Object exports);
void ExportLocks(Napi::Env env, Napi::Object exports);
void ExportMemory(Napi::Env env, Napi::Object exports);
void ExportResidency(Napi::Env env, Napi::Object exports);
void ExportJobs(Napi::Env env, Napi::Object exports);
void ExportSources(Napi::Env env, Napi::Object exports);
void ExportSearch(Napi::Env env, Napi::Object exports);
void ExportCounting(Napi::Env env, Napi::Object exports);

}  // namespace sliding_mmap
