// The stock job `stage`: runs its position's overlay on the reserved device.
#include <optional>

#include "jobs/job.hpp"
#include "jobs/overlay_runner.hpp"

namespace {

class Stage final : public fard::Job {
  public:
    fard::Result<> parse_config(const fard::JobConfig& config) override {
        if (auto kept = Job::parse_config(config); !kept) return kept;
        auto loaded = fard::OverlayRunner::load(config);
        if (!loaded) return fard::fail(loaded.error());
        overlay_ = std::move(*loaded);
        return {};
    }

    fard::Result<fard::Chunk> process(fard::Chunk chunk) override { return overlay_->run(chunk); }

  private:
    std::optional<fard::OverlayRunner> overlay_;
};

}  // namespace

int main(int argc, char** argv) {
    return fard::run_job(argc, argv, [] { return std::make_unique<Stage>(); }, fard::Parking::allowed);
}
