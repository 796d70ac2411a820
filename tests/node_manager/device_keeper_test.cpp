#include "runtime/node_manager/device_keeper.hpp"

#include <doctest/doctest.h>

using namespace fard;

namespace {

// A fabric of two slots, and what is in it.
class FakeFabric final : public KeptDevice {
  public:
    explicit FakeFabric(std::vector<std::string>& held) : held_(held) {}
    DeviceInfo info() const override { return {"fabric0", "fake", 2, "a fabric", "xc7z020clg484-1", "zedboard"}; }
    bool keeps_overlays() const override { return true; }
    std::string holds(std::uint32_t slot) const override { return held_[slot]; }

  private:
    std::vector<std::string>& held_;
};

struct Rig {
    std::vector<std::string> held{"", ""};
    int changes = 0;
    DeviceKeeper keeper{kept(), "zed1"};

    Rig() {
        keeper.on_change([this] { ++changes; });
    }
    KeptDevices kept() {
        KeptDevices devices;
        devices.push_back(std::make_unique<FakeFabric>(held));
        return devices;
    }
    wire::SlotState slot(std::size_t number) const { return keeper.states().at(0).loaded.at(number); }
    std::uint32_t seat(const std::string& overlay) { return keeper.seat("fabric0", overlay, overlay + " by name").value().slot; }
    void load(std::uint32_t slot, const std::string& overlay) {
        keeper.said("fabric0", slot, {2, {}});
        held[slot] = overlay;
    }
};

}  // namespace

TEST_CASE("what is loaded stays, and the next job of that overlay gets the slot that holds it") {
    Rig rig;
    CHECK(rig.slot(0).state == 0);
    CHECK(rig.seat("a") == 0);
    CHECK(rig.slot(0).state == 1);
    CHECK(rig.slot(0).name == "a by name");
    CHECK(rig.seat("b") == 1);
    rig.load(0, "a");
    rig.load(1, "b");
    CHECK(rig.keeper.seat("fabric0", "c", "c").error().fault == Fault::refused);
    rig.keeper.leave("fabric0", 0);
    rig.keeper.leave("fabric0", 1);
    CHECK(rig.slot(0) == wire::SlotState{2, "a", "a by name", ""});
    CHECK(rig.seat("b") == 1);
    CHECK(rig.slot(1).state == 2);
    CHECK(rig.changes > 0);
    rig.keeper.leave("fabric0", 1);
    CHECK(rig.seat("c") == 0);  // used least lately
}

TEST_CASE("a job that was killed while it loaded leaves what the device says that it holds") {
    Rig rig;
    const auto slot = rig.seat("a");
    rig.keeper.leave("fabric0", slot);
    CHECK(rig.slot(slot).state == 0);
    CHECK(rig.slot(slot).overlay.empty());
}

TEST_CASE("after three failures in a row a device is out of placement, with the reason") {
    Rig rig;
    const auto slot = rig.seat("a");
    rig.keeper.said("fabric0", slot, {3, "the DMA hangs"});
    CHECK(rig.slot(slot).state == 3);
    CHECK(rig.slot(slot).why == "the DMA hangs");
    rig.keeper.said("fabric0", slot, {3, "the DMA hangs"});
    rig.keeper.worked("fabric0");
    rig.keeper.said("fabric0", slot, {3, "the DMA hangs"});
    rig.keeper.said("fabric0", slot, {3, "the DMA hangs"});
    CHECK(rig.keeper.states()[0].healthy);
    rig.keeper.said("fabric0", slot, {3, "the DMA hangs again"});
    CHECK_FALSE(rig.keeper.states()[0].healthy);
    CHECK(rig.keeper.states()[0].detail.find("the DMA hangs again") != std::string::npos);
    CHECK(rig.keeper.states()[0].detail.find("`fard mend zed1`") != std::string::npos);
    rig.keeper.said("fabric0", slot, {2, {}});
    CHECK_FALSE(rig.keeper.states()[0].healthy);  // its job goes on with it; nobody else gets it
    rig.keeper.leave("fabric0", slot);
    rig.keeper.mend();
    CHECK(rig.keeper.states()[0].healthy);
    CHECK(rig.keeper.states()[0].detail == "a fabric");
    CHECK(rig.slot(slot).state == 0);
    rig.keeper.said("fabric0", slot, {3, "once more"});
    rig.keeper.said("fabric0", slot, {3, "once more"});
    CHECK(rig.keeper.states()[0].healthy);  // it is counted anew
}

TEST_CASE("what a job cannot say is not believed") {
    Rig rig;
    rig.keeper.said("fabric0", 7, {2, {}});
    rig.keeper.said("nothing", 0, {2, {}});
    rig.keeper.said("fabric0", 0, {9, {}});
    rig.keeper.leave("fabric0", 7);
    CHECK(rig.slot(0).state == 0);
    CHECK(rig.keeper.seat("nothing", "a", "a").error().fault == Fault::not_found);
}

TEST_CASE("what a fabric holds when its node manager starts is loaded") {
    Rig before;
    before.held = {"a", ""};
    DeviceKeeper keeper(before.kept(), "zed");
    CHECK(keeper.states().at(0).loaded.at(0) == wire::SlotState{2, "a", "", ""});
    CHECK(keeper.states().at(0).loaded.at(1).state == 0);
    CHECK(keeper.seat("fabric0", "a", "a by name").value().slot == 0);
    CHECK(keeper.states().at(0).loaded.at(0) == wire::SlotState{2, "a", "a by name", ""});
}

TEST_CASE("jobs that take turns have one slot together: its state is that of whose turn it is, and the last one frees it") {
    Rig rig;
    CHECK(rig.keeper.seat_too("fabric0", 0, "a").error().fault == Fault::not_found);
    const auto slot = rig.seat("a");
    CHECK(rig.keeper.seat_too("fabric0", slot, "b").value().slot == slot);
    rig.load(slot, "a");
    rig.keeper.turn("fabric0", slot, "b", "b by name");
    CHECK(rig.slot(slot) == wire::SlotState{1, "b", "b by name", ""});
    rig.load(slot, "b");
    rig.keeper.turn("fabric0", slot, "b", "b by name");
    CHECK(rig.slot(slot).state == 2);
    rig.keeper.leave("fabric0", slot);
    CHECK(rig.seat("c") != slot);
    CHECK(rig.keeper.seat("fabric0", "d", "d").error().fault == Fault::refused);
    rig.keeper.leave("fabric0", slot);
    CHECK(rig.slot(slot) == wire::SlotState{2, "b", "b by name", ""});
    CHECK(rig.seat("d") == slot);
}
