// A job like `copy`, of a program that does not say that it may be parked.
#include "jobs/job.hpp"

namespace {

class Copy final : public fard::Job {
  public:
    fard::Result<fard::Chunk> process(fard::Chunk chunk) override { return chunk; }
};

}  // namespace

int main(int argc, char** argv) {
    return fard::run_job(argc, argv, [] { return std::make_unique<Copy>(); });
}
