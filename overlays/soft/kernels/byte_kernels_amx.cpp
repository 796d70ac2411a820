#include "overlays/soft/kernels/byte_kernels_amx.hpp"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "overlays/soft/kernels/amx_gemm.hpp"
#include "overlays/soft/kernels/byte_kernels_avx512vnni.hpp"

namespace fard::soft::amx {
namespace {

// The instructions. Compilers never use tiles by themselves, so that none is ever lost between two of these.
struct Registers {
    static void load_config(const TileConfig& config) { asm volatile("ldtilecfg %0" : : "m"(config)); }
    static void release() { asm volatile("tilerelease"); }
    template <int Tile>
    static void zero() {
        asm volatile("tilezero %%tmm%c0" : : "i"(Tile));
    }
    template <int Tile>
    static void load(const void* from, std::ptrdiff_t stride) {
        asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride), "i"(Tile) : "memory");
    }
    template <int Tile>
    static void store(void* to, std::ptrdiff_t stride) {
        asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(stride), "i"(Tile) : "memory");
    }
    template <int Sums, int A, int B>
    static void dpbusd() {
        asm volatile("tdpbusd %%tmm%c0, %%tmm%c1, %%tmm%c2" : : "i"(B), "i"(A), "i"(Sums));
    }
};

struct Finish {
    static void rows(const GemmBytes& job, std::size_t first, std::size_t count, const std::int32_t* sums) {
        avx512vnni::finish_rows(job, first, count, sums);
    }
    static constexpr auto add_row_sums = avx512vnni::add_row_sums;
    static void triples(const GemmTriples& job, std::size_t first, std::size_t count,
                        const std::int32_t* sums) {
        avx512vnni::finish_triples(job, first, count, sums);
    }
};

bool has_instructions() {
    constexpr unsigned tile = 1U << 24, int8 = 1U << 25;
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & tile) != 0 && (d & int8) != 0;
}

// Linux keeps room for a thread's tiles only where its process has asked (Documentation/arch/x86/xstate.rst); one that does not
// know of them refuses.
bool may_use_tiles() {
    constexpr long request_permission = 0x1023, tile_data = 18;
    return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

}  // namespace

bool runs_here() {
    static const bool runs = avx512vnni::runs_here() && has_instructions() && may_use_tiles();
    return runs;
}

void gemm(const GemmBytes& job) {
    gemm_with<Registers, Finish>(job);
}

void gemm_triples(const GemmTriples& job) {
    gemm_triples_with<Registers, Finish>(job);
}

}  // namespace fard::soft::amx
