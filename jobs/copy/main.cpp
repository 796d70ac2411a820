// The stock job `copy`: hands every chunk on as it is.
#include "jobs/job.hpp"

namespace {

class Copy final : public fard::Job {
  public:
    fard::Result<fard::Chunk> process(fard::Chunk chunk) override { return chunk; }
};

}  // namespace

int main(int argc, char** argv) {
    return fard::run_job(argc, argv, [] { return std::make_unique<Copy>(); }, fard::Parking::allowed);
}
