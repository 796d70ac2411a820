#include "overlays/reference/reference_device.hpp"

#include <algorithm>
#include <optional>

#include "model/reference.hpp"
#include "overlays/device/stage_model.hpp"

namespace fard {
namespace {

// One chunk at a time: submit computes it, complete hands it out. Loading is reading the model, at once.
class ReferenceDevice final : public Device {
  public:
    explicit ReferenceDevice(std::string id) : id_(std::move(id)) {}

    DeviceInfo info() const override { return {id_, "reference", 1, "reference interpreter"}; }

    Result<> load(const Package& package, TimePoint) override {
        unload();
        auto model = load_stage_model(package);
        if (!model) return fail(model.error());
        model_ = std::move(*model);
        return {};
    }

    void unload() override {
        model_.reset();
        computed_.reset();
    }

    std::size_t depth() const override { return 1; }

    Result<bool> loaded() override { return model_.has_value(); }

    Result<> submit(std::uint64_t tag, std::span<const Bytes> inputs, std::span<const MutableBytes> outputs,
                    TimePoint) override {
        if (!model_) return fail(Fault::refused, "device {} has no overlay loaded", id_);
        if (computed_) return fail(Fault::refused, "device {} holds a chunk already", id_);
        const auto results = model::run_reference_wire(model_->graph(), inputs);
        if (!results) return fail(results.error());
        if (results->size() != outputs.size())
            return fail(Fault::invalid_input, "the stage has {} outputs, and got {}", results->size(),
                        outputs.size());
        for (std::size_t i = 0; i < outputs.size(); ++i) {
            if ((*results)[i].size() != outputs[i].size())
                return fail(Fault::invalid_input, "output {} takes {} bytes, not {}", i, (*results)[i].size(),
                            outputs[i].size());
            std::ranges::copy((*results)[i], outputs[i].begin());
        }
        computed_ = tag;
        return {};
    }

    Result<std::optional<std::uint64_t>> complete() override {
        if (!computed_) return fail(Fault::refused, "device {} holds no chunk", id_);
        return std::exchange(computed_, std::nullopt);
    }

    int ready_fd() const override { return -1; }

  private:
    std::string id_;
    std::optional<model::Model> model_;
    std::optional<std::uint64_t> computed_;
};

}  // namespace

std::unique_ptr<Device> open_reference_device(const std::string& id) {
    return std::make_unique<ReferenceDevice>(id);
}

}  // namespace fard
