#include "overlays/zynq/open_zynq.hpp"

#include <sys/stat.h>

#include "overlays/helper/helper_link.hpp"
#include "overlays/helper/job_loader.hpp"
#include "overlays/zynq/setup_text.hpp"
#include "overlays/zynq/zynq_device.hpp"

namespace fard {
namespace {

class OwnFabric final : public zynq::Loader {
  public:
    explicit OwnFabric(std::unique_ptr<zynq::Fabric> fabric) : fabric_(std::move(fabric)) {}
    Result<zynq::FabricAccess> load(const Package& package, bool anew) override { return fabric_->load(package, anew); }
    Result<> unload() override { return fabric_->unload(); }

  private:
    std::unique_ptr<zynq::Fabric> fabric_;
};

// The device and what it stands on.
class OpenedZynq final : public Device {
  public:
    OpenedZynq(std::unique_ptr<zynq::Host> host, std::unique_ptr<zynq::Loader> loader, zynq::ZynqOptions options)
        : host_(std::move(host)), loader_(std::move(loader)), device_(zynq::make_zynq_device(*host_, *loader_, std::move(options))) {}

    DeviceInfo info() const override { return device_->info(); }
    Result<> load(const Package& package, TimePoint deadline) override { return device_->load(package, deadline); }
    Result<bool> loaded() override { return device_->loaded(); }
    std::string waits_for() const override { return device_->waits_for(); }
    void unload() override { device_->unload(); }
    Result<> prepare(const Package& package) override { return device_->prepare(package); }
    void let_go() override { device_->let_go(); }
    std::size_t depth() const override { return device_->depth(); }
    Result<> submit(std::uint64_t tag, std::span<const Bytes> inputs, std::span<const MutableBytes> outputs,
                    TimePoint deadline) override {
        return device_->submit(tag, inputs, outputs, deadline);
    }
    Result<std::optional<std::uint64_t>> complete() override { return device_->complete(); }
    int ready_fd() const override { return device_->ready_fd(); }
    DeviceCounts counts() const override { return device_->counts(); }

  private:
    std::unique_ptr<zynq::Host> host_;
    std::unique_ptr<zynq::Loader> loader_;
    std::unique_ptr<Device> device_;
};

}  // namespace

Result<std::unique_ptr<Device>> open_zynq_device(const DeviceAccess& access) {
    if (access.fd < 0)
        return fail(Fault::invalid_input, "the device {} is described by its node manager, and came without a description", access.id);
    auto host = zynq::linux_host();
    struct stat info {};
    if (::fstat(access.fd, &info) == 0 && S_ISSOCK(info.st_mode)) {
        auto board = helper::await_board(access.fd);
        if (!board) return fail(board.error());
        return std::make_unique<OpenedZynq>(std::move(host), helper::session_loader(access.fd),
                                            zynq::ZynqOptions{access.id, std::move(board->part), 16, std::move(board->accepted_parts)});
    }
    auto setup = zynq::read_setup(access.fd);
    if (!setup) return fail(setup.error());
    zynq::ZynqOptions options{access.id, setup->part, 16, setup->accepted_parts};
    auto fabric = zynq::Fabric::open(*host, std::move(*setup));
    if (!fabric) return fail(fabric.error());
    return std::make_unique<OpenedZynq>(std::move(host), std::make_unique<OwnFabric>(std::move(*fabric)), std::move(options));
}

}  // namespace fard
