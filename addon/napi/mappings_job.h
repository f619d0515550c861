// Work for the thread pool that touches mappings.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "napi/environment.h"
#include "napi/job.h"

namespace sliding_mmap {

// A job on mappings, which stay until it has ended.
class MappingsJob : public Job {
 protected:
  explicit MappingsJob(std::vector<std::shared_ptr<Lease>> leases) : leases_(std::move(leases)) {
    for (const auto& lease : leases_) ++lease->jobs;
  }
  int64_t Finish(Napi::Env env, int64_t result) override {
    for (const auto& lease : leases_) {
      if (--lease->jobs == 0 && lease->release_after_jobs) Environment::Of(env).PutAway(lease);
    }
    return result;
  }

 private:
  std::vector<std::shared_ptr<Lease>> leases_;
};

}  // namespace sliding_mmap
