#include "kernels/random.h"

#include <gtest/gtest.h>

#include <cstring>

#include "device_fixture.h"
#include "kernels/element_functions.h"

namespace tfvk::testing {
namespace {

using Algorithm = kernels::RandomBitsSpec::Algorithm;

uint64_t Fnv1a(const std::vector<uint8_t>& bytes) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3u;
  return hash;
}

// What XLA's CPU compiler in TensorFlow 2.21 gives for rng-bit-generator: the new state and the hash of the bits' bytes.
struct Golden {
  int algorithm;  // TensorFlow's number: 1 Philox, 2 Threefry
  std::vector<uint64_t> state;
  std::vector<int64_t> shape;
  DType dtype;
  std::vector<uint64_t> new_state;
  uint64_t hash;
};
const Golden kGolden[] = {
    // clang-format off
    {1, {0x123456789abcdefu, 0xfedcba9876543210u}, {}, DType::kU32, {0x123456789abcdefu, 0xfedcba9876543211u}, 0x4826c1a6d419242bu},
    {1, {0x123456789abcdefu, 0xfedcba9876543210u}, {}, DType::kU64, {0x123456789abcdefu, 0xfedcba9876543211u}, 0xa97fc6b4663eb2b8u},
    {1, {0x123456789abcdefu, 0xfedcba9876543210u}, {}, DType::kU8, {0x123456789abcdefu, 0xfedcba9876543211u}, 0xaf63ff4c86022805u},
    {1, {0x123456789abcdefu, 0xfedcba9876543210u}, {1}, DType::kU32, {0x123456789abcdefu, 0xfedcba9876543211u}, 0x4826c1a6d419242bu},
    {1, {0x123456789abcdefu, 0xfedcba9876543210u}, {1}, DType::kU64, {0x123456789abcdefu, 0xfedcba9876543211u}, 0xa97fc6b4663eb2b8u},
    {1, {0x123456789abcdefu, 0xfedcba9876543210u}, {1}, DType::kU8, {0x123456789abcdefu, 0xfedcba9876543211u}, 0xaf63ff4c86022805u},
    {1, {0x123456789abcdefu, 0xfedcba9876543210u}, {4}, DType::kU32, {0x123456789abcdefu, 0xfedcba9876543211u}, 0x12df3a324b3784b4u},
    {1, {0x123456789abcdefu, 0xfedcba9876543210u}, {4}, DType::kU64, {0x123456789abcdefu, 0xfedcba9876543212u}, 0xe3cc3acdb0874002u},
    {1, {0x123456789abcdefu, 0xfedcba9876543210u}, {4}, DType::kU8, {0x123456789abcdefu, 0xfedcba9876543211u}, 0x5501b0a91ea57033u},
    {1, {0x123456789abcdefu, 0xfedcba9876543210u}, {7}, DType::kU32, {0x123456789abcdefu, 0xfedcba9876543212u}, 0xfd0ba175945f1a90u},
    {1, {0x123456789abcdefu, 0xfedcba9876543210u}, {7}, DType::kU64, {0x123456789abcdefu, 0xfedcba9876543214u}, 0xb8ce5f2096a0ae4eu},
    {1, {0x123456789abcdefu, 0xfedcba9876543210u}, {7}, DType::kU8, {0x123456789abcdefu, 0xfedcba9876543212u}, 0x5a57a4687b0b07dcu},
    {1, {0x123456789abcdefu, 0xfedcba9876543210u}, {3, 5}, DType::kU32, {0x123456789abcdefu, 0xfedcba9876543214u}, 0xc529e35ee1437432u},
    {1, {0x123456789abcdefu, 0xfedcba9876543210u}, {3, 5}, DType::kU64, {0x123456789abcdefu, 0xfedcba9876543218u}, 0xcc4f2f83c03ce522u},
    {1, {0x123456789abcdefu, 0xfedcba9876543210u}, {3, 5}, DType::kU8, {0x123456789abcdefu, 0xfedcba9876543214u}, 0xbbe5dcb05e7cb6bbu},
    {1, {0x123456789abcdefu, 0xfedcba9876543210u}, {2, 3}, DType::kU32, {0x123456789abcdefu, 0xfedcba9876543212u}, 0xa94293824458d6bdu},
    {1, {0x123456789abcdefu, 0xfedcba9876543210u}, {2, 3}, DType::kU64, {0x123456789abcdefu, 0xfedcba9876543213u}, 0x467ef4bd2664d373u},
    {1, {0x123456789abcdefu, 0xfedcba9876543210u}, {2, 3}, DType::kU8, {0x123456789abcdefu, 0xfedcba9876543212u}, 0xb96c008d7b47d22cu},
    {1, {0x123456789abcdefu, 0xfedcba9876543210u}, {3, 6, 2}, DType::kU32, {0x123456789abcdefu, 0xfedcba9876543219u}, 0x12ea9f2ff6426178u},
    {1, {0x123456789abcdefu, 0xfedcba9876543210u}, {3, 6, 2}, DType::kU64, {0x123456789abcdefu, 0xfedcba9876543222u}, 0x5e30872c5d5e2732u},
    {1, {0x123456789abcdefu, 0xfedcba9876543210u}, {3, 6, 2}, DType::kU8, {0x123456789abcdefu, 0xfedcba9876543219u}, 0x7c047fc66a305b66u},
    {1, {0x123456789abcdefu, 0xfedcba9876543210u}, {1000}, DType::kU32, {0x123456789abcdefu, 0xfedcba987654330au}, 0x949c0f58dc847c0du},
    {1, {0x123456789abcdefu, 0xfedcba9876543210u}, {1000}, DType::kU64, {0x123456789abcdefu, 0xfedcba9876543404u}, 0xa449a88eb1b2b879u},
    {1, {0x123456789abcdefu, 0xfedcba9876543210u}, {1000}, DType::kU8, {0x123456789abcdefu, 0xfedcba987654330au}, 0x8ea88bdba9e7adc8u},
    {1, {0x123456789abcdefu, 0xfedcba9876543210u}, {0}, DType::kU32, {0x123456789abcdefu, 0xfedcba9876543210u}, 0xcbf29ce484222325u},
    {1, {0x123456789abcdefu, 0xfedcba9876543210u}, {0}, DType::kU64, {0x123456789abcdefu, 0xfedcba9876543210u}, 0xcbf29ce484222325u},
    {1, {0x123456789abcdefu, 0xfedcba9876543210u}, {0}, DType::kU8, {0x123456789abcdefu, 0xfedcba9876543210u}, 0xcbf29ce484222325u},
    {1, {0x123456789abcdefu, 0xfedcba9876543210u}, {5, 1, 4}, DType::kU32, {0x123456789abcdefu, 0xfedcba9876543215u}, 0x606568d149f7eb0u},
    {1, {0x123456789abcdefu, 0xfedcba9876543210u}, {5, 1, 4}, DType::kU64, {0x123456789abcdefu, 0xfedcba987654321au}, 0x4db57871148a8110u},
    {1, {0x123456789abcdefu, 0xfedcba9876543210u}, {5, 1, 4}, DType::kU8, {0x123456789abcdefu, 0xfedcba9876543215u}, 0x5f5523c58721e01cu},
    {1, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, {}, DType::kU32, {0x123456789abcdefu, 0xffffffffffffffffu, 0x7u}, 0x26c17358c0214abbu},
    {1, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, {}, DType::kU64, {0x123456789abcdefu, 0xffffffffffffffffu, 0x7u}, 0xabde57149e574ca7u},
    {1, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, {}, DType::kU8, {0x123456789abcdefu, 0xffffffffffffffffu, 0x7u}, 0xaf63b84c8601af60u},
    {1, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, {1}, DType::kU32, {0x123456789abcdefu, 0xffffffffffffffffu, 0x7u}, 0x26c17358c0214abbu},
    {1, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, {1}, DType::kU64, {0x123456789abcdefu, 0xffffffffffffffffu, 0x7u}, 0xabde57149e574ca7u},
    {1, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, {1}, DType::kU8, {0x123456789abcdefu, 0xffffffffffffffffu, 0x7u}, 0xaf63b84c8601af60u},
    {1, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, {4}, DType::kU32, {0x123456789abcdefu, 0xffffffffffffffffu, 0x7u}, 0x3fea0ab927b06f3cu},
    {1, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, {4}, DType::kU64, {0x123456789abcdefu, 0x0u, 0x8u}, 0xef2fd7b1a2e5caabu},
    {1, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, {4}, DType::kU8, {0x123456789abcdefu, 0xffffffffffffffffu, 0x7u}, 0x977de457ddc124f7u},
    {1, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, {7}, DType::kU32, {0x123456789abcdefu, 0x0u, 0x8u}, 0x829f19b874dc66bcu},
    {1, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, {7}, DType::kU64, {0x123456789abcdefu, 0x2u, 0x8u}, 0x2f2cd01999cabd34u},
    {1, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, {7}, DType::kU8, {0x123456789abcdefu, 0x0u, 0x8u}, 0x5ff8fe5b28dbfu},
    {1, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, {3, 5}, DType::kU32, {0x123456789abcdefu, 0x2u, 0x8u}, 0x40702cf5293a2ba5u},
    {1, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, {3, 5}, DType::kU64, {0x123456789abcdefu, 0x6u, 0x8u}, 0x6972010ceec55583u},
    {1, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, {3, 5}, DType::kU8, {0x123456789abcdefu, 0x2u, 0x8u}, 0x7ef9b4a51790bcc3u},
    {1, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, {2, 3}, DType::kU32, {0x123456789abcdefu, 0x0u, 0x8u}, 0x449cc260116c21fcu},
    {1, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, {2, 3}, DType::kU64, {0x123456789abcdefu, 0x1u, 0x8u}, 0x9da65b19e3097d33u},
    {1, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, {2, 3}, DType::kU8, {0x123456789abcdefu, 0x0u, 0x8u}, 0xed02f370fd445a2u},
    {1, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, {3, 6, 2}, DType::kU32, {0x123456789abcdefu, 0x7u, 0x8u}, 0xdb49e8e2ac2afe88u},
    {1, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, {3, 6, 2}, DType::kU64, {0x123456789abcdefu, 0x10u, 0x8u}, 0x7dde0323a474fe94u},
    {1, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, {3, 6, 2}, DType::kU8, {0x123456789abcdefu, 0x7u, 0x8u}, 0x9bf91eca03b3e7c3u},
    {1, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, {1000}, DType::kU32, {0x123456789abcdefu, 0xf8u, 0x8u}, 0xc6908de4b4866649u},
    {1, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, {1000}, DType::kU64, {0x123456789abcdefu, 0x1f2u, 0x8u}, 0x66437043f4c12e41u},
    {1, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, {1000}, DType::kU8, {0x123456789abcdefu, 0xf8u, 0x8u}, 0xc3b6792be6c9e66bu},
    {1, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, {0}, DType::kU32, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, 0xcbf29ce484222325u},
    {1, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, {0}, DType::kU64, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, 0xcbf29ce484222325u},
    {1, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, {0}, DType::kU8, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, 0xcbf29ce484222325u},
    {1, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, {5, 1, 4}, DType::kU32, {0x123456789abcdefu, 0x3u, 0x8u}, 0xe1c2aa541107b5b8u},
    {1, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, {5, 1, 4}, DType::kU64, {0x123456789abcdefu, 0x8u, 0x8u}, 0x183abb106138aad5u},
    {1, {0x123456789abcdefu, 0xfffffffffffffffeu, 0x7u}, {5, 1, 4}, DType::kU8, {0x123456789abcdefu, 0x3u, 0x8u}, 0xc16c9d3c72a530adu},
    {2, {0x123456789abcdefu, 0xfffffffffffffffeu}, {}, DType::kU32, {0x123456789abcdefu, 0xffffffffffffffffu}, 0xaae086639b2dd0du},
    {2, {0x123456789abcdefu, 0xfffffffffffffffeu}, {}, DType::kU64, {0x123456789abcdefu, 0xffffffffffffffffu}, 0x445fb1917b2e5140u},
    {2, {0x123456789abcdefu, 0xfffffffffffffffeu}, {}, DType::kU8, {0x123456789abcdefu, 0xffffffffffffffffu}, 0xaf64164c86024f1au},
    {2, {0x123456789abcdefu, 0xfffffffffffffffeu}, {1}, DType::kU32, {0x123456789abcdefu, 0xffffffffffffffffu}, 0xaae086639b2dd0du},
    {2, {0x123456789abcdefu, 0xfffffffffffffffeu}, {1}, DType::kU64, {0x123456789abcdefu, 0xffffffffffffffffu}, 0x445fb1917b2e5140u},
    {2, {0x123456789abcdefu, 0xfffffffffffffffeu}, {1}, DType::kU8, {0x123456789abcdefu, 0xffffffffffffffffu}, 0xaf64164c86024f1au},
    {2, {0x123456789abcdefu, 0xfffffffffffffffeu}, {4}, DType::kU32, {0x123456789abcdefu, 0x0u}, 0x1392aca8016c55b0u},
    {2, {0x123456789abcdefu, 0xfffffffffffffffeu}, {4}, DType::kU64, {0x123456789abcdefu, 0x2u}, 0xe12fcd5b812a1a08u},
    {2, {0x123456789abcdefu, 0xfffffffffffffffeu}, {4}, DType::kU8, {0x123456789abcdefu, 0x0u}, 0xebd785686b6452b2u},
    {2, {0x123456789abcdefu, 0xfffffffffffffffeu}, {7}, DType::kU32, {0x123456789abcdefu, 0x2u}, 0x83b970ea87585bedu},
    {2, {0x123456789abcdefu, 0xfffffffffffffffeu}, {7}, DType::kU64, {0x123456789abcdefu, 0x5u}, 0xec6f74f2f6894f61u},
    {2, {0x123456789abcdefu, 0xfffffffffffffffeu}, {7}, DType::kU8, {0x123456789abcdefu, 0x2u}, 0xb839ba1c66255a18u},
    {2, {0x123456789abcdefu, 0xfffffffffffffffeu}, {3, 5}, DType::kU32, {0x123456789abcdefu, 0x7u}, 0xbd15a1a28ee150eeu},
    {2, {0x123456789abcdefu, 0xfffffffffffffffeu}, {3, 5}, DType::kU64, {0x123456789abcdefu, 0xdu}, 0xd556c5d37d6d6db5u},
    {2, {0x123456789abcdefu, 0xfffffffffffffffeu}, {3, 5}, DType::kU8, {0x123456789abcdefu, 0x7u}, 0xa8eb17cd820c5114u},
    {2, {0x123456789abcdefu, 0xfffffffffffffffeu}, {2, 3}, DType::kU32, {0x123456789abcdefu, 0x1u}, 0x806b786383eb52bu},
    {2, {0x123456789abcdefu, 0xfffffffffffffffeu}, {2, 3}, DType::kU64, {0x123456789abcdefu, 0x4u}, 0xc810a5bba42f9d8bu},
    {2, {0x123456789abcdefu, 0xfffffffffffffffeu}, {2, 3}, DType::kU8, {0x123456789abcdefu, 0x1u}, 0xe5e039e33f5056dfu},
    {2, {0x123456789abcdefu, 0xfffffffffffffffeu}, {3, 6, 2}, DType::kU32, {0x123456789abcdefu, 0x10u}, 0xdc8eb442057711du},
    {2, {0x123456789abcdefu, 0xfffffffffffffffeu}, {3, 6, 2}, DType::kU64, {0x123456789abcdefu, 0x22u}, 0xdf9f82f74b348bebu},
    {2, {0x123456789abcdefu, 0xfffffffffffffffeu}, {3, 6, 2}, DType::kU8, {0x123456789abcdefu, 0x10u}, 0x30c7450d2190c3c4u},
    {2, {0x123456789abcdefu, 0xfffffffffffffffeu}, {1000}, DType::kU32, {0x123456789abcdefu, 0x1f2u}, 0x8f44baad6b37f875u},
    {2, {0x123456789abcdefu, 0xfffffffffffffffeu}, {1000}, DType::kU64, {0x123456789abcdefu, 0x3e6u}, 0x329ec854fc71a829u},
    {2, {0x123456789abcdefu, 0xfffffffffffffffeu}, {1000}, DType::kU8, {0x123456789abcdefu, 0x1f2u}, 0xc26ee1f43f716fa6u},
    {2, {0x123456789abcdefu, 0xfffffffffffffffeu}, {0}, DType::kU32, {0x123456789abcdefu, 0xfffffffffffffffeu}, 0xcbf29ce484222325u},
    {2, {0x123456789abcdefu, 0xfffffffffffffffeu}, {0}, DType::kU64, {0x123456789abcdefu, 0xfffffffffffffffeu}, 0xcbf29ce484222325u},
    {2, {0x123456789abcdefu, 0xfffffffffffffffeu}, {0}, DType::kU8, {0x123456789abcdefu, 0xfffffffffffffffeu}, 0xcbf29ce484222325u},
    {2, {0x123456789abcdefu, 0xfffffffffffffffeu}, {5, 1, 4}, DType::kU32, {0x123456789abcdefu, 0x8u}, 0x66b0820e92aa61d4u},
    {2, {0x123456789abcdefu, 0xfffffffffffffffeu}, {5, 1, 4}, DType::kU64, {0x123456789abcdefu, 0x12u}, 0x16710a3fdb33c147u},
    {2, {0x123456789abcdefu, 0xfffffffffffffffeu}, {5, 1, 4}, DType::kU8, {0x123456789abcdefu, 0x8u}, 0x46ab111c0fc899d9u},
    {1, {0x5u, 0xffffffffffffffffu}, {}, DType::kU32, {0x5u, 0x0u}, 0xc0fead7a8513437cu},
    {1, {0x5u, 0xffffffffffffffffu}, {}, DType::kU64, {0x5u, 0x0u}, 0x75ec93a94b319fa3u},
    {1, {0x5u, 0xffffffffffffffffu}, {}, DType::kU8, {0x5u, 0x0u}, 0xaf64374c8602872du},
    {1, {0x5u, 0xffffffffffffffffu}, {1}, DType::kU32, {0x5u, 0x0u}, 0xc0fead7a8513437cu},
    {1, {0x5u, 0xffffffffffffffffu}, {1}, DType::kU64, {0x5u, 0x0u}, 0x75ec93a94b319fa3u},
    {1, {0x5u, 0xffffffffffffffffu}, {1}, DType::kU8, {0x5u, 0x0u}, 0xaf64374c8602872du},
    {1, {0x5u, 0xffffffffffffffffu}, {4}, DType::kU32, {0x5u, 0x0u}, 0x4031925475a0eb5fu},
    {1, {0x5u, 0xffffffffffffffffu}, {4}, DType::kU64, {0x5u, 0x1u}, 0x58f44001a2ff0e86u},
    {1, {0x5u, 0xffffffffffffffffu}, {4}, DType::kU8, {0x5u, 0x0u}, 0x8bc31878b4651d32u},
    {1, {0x5u, 0xffffffffffffffffu}, {7}, DType::kU32, {0x5u, 0x1u}, 0x9d62c4ec811e03f8u},
    {1, {0x5u, 0xffffffffffffffffu}, {7}, DType::kU64, {0x5u, 0x3u}, 0x903ce2f22da382ddu},
    {1, {0x5u, 0xffffffffffffffffu}, {7}, DType::kU8, {0x5u, 0x1u}, 0xa2c89d4fb278ea77u},
    {1, {0x5u, 0xffffffffffffffffu}, {3, 5}, DType::kU32, {0x5u, 0x3u}, 0xe07100d64f8a9bcdu},
    {1, {0x5u, 0xffffffffffffffffu}, {3, 5}, DType::kU64, {0x5u, 0x7u}, 0x6dbce9050bfece8u},
    {1, {0x5u, 0xffffffffffffffffu}, {3, 5}, DType::kU8, {0x5u, 0x3u}, 0xee09c8b352c4b221u},
    {1, {0x5u, 0xffffffffffffffffu}, {2, 3}, DType::kU32, {0x5u, 0x1u}, 0x69c05375488f41c6u},
    {1, {0x5u, 0xffffffffffffffffu}, {2, 3}, DType::kU64, {0x5u, 0x2u}, 0x35440eb3363424b4u},
    {1, {0x5u, 0xffffffffffffffffu}, {2, 3}, DType::kU8, {0x5u, 0x1u}, 0x339fff14c7e9eab8u},
    {1, {0x5u, 0xffffffffffffffffu}, {3, 6, 2}, DType::kU32, {0x5u, 0x8u}, 0x61908728a6ecf5b5u},
    {1, {0x5u, 0xffffffffffffffffu}, {3, 6, 2}, DType::kU64, {0x5u, 0x11u}, 0x94d7ed9c5ad9c979u},
    {1, {0x5u, 0xffffffffffffffffu}, {3, 6, 2}, DType::kU8, {0x5u, 0x8u}, 0xf5a796a82b420934u},
    {1, {0x5u, 0xffffffffffffffffu}, {1000}, DType::kU32, {0x5u, 0xf9u}, 0xf31c4623f9f3cd79u},
    {1, {0x5u, 0xffffffffffffffffu}, {1000}, DType::kU64, {0x5u, 0x1f3u}, 0x2d4ee3fb71e28c4au},
    {1, {0x5u, 0xffffffffffffffffu}, {1000}, DType::kU8, {0x5u, 0xf9u}, 0xff42e4d8bb266afdu},
    {1, {0x5u, 0xffffffffffffffffu}, {0}, DType::kU32, {0x5u, 0xffffffffffffffffu}, 0xcbf29ce484222325u},
    {1, {0x5u, 0xffffffffffffffffu}, {0}, DType::kU64, {0x5u, 0xffffffffffffffffu}, 0xcbf29ce484222325u},
    {1, {0x5u, 0xffffffffffffffffu}, {0}, DType::kU8, {0x5u, 0xffffffffffffffffu}, 0xcbf29ce484222325u},
    {1, {0x5u, 0xffffffffffffffffu}, {5, 1, 4}, DType::kU32, {0x5u, 0x4u}, 0x30bce7380c2161b3u},
    {1, {0x5u, 0xffffffffffffffffu}, {5, 1, 4}, DType::kU64, {0x5u, 0x9u}, 0x6d8eed5f6ad00a29u},
    {1, {0x5u, 0xffffffffffffffffu}, {5, 1, 4}, DType::kU8, {0x5u, 0x4u}, 0xe5fc71a1d78c6df7u},
    // clang-format on
};

TEST(RandomBits, EqualXlas) {
  Device& device = Device::Get();
  for (const Golden& golden : kGolden) {
    if (golden.dtype == DType::kU8 && !device.limits().storage_8bit) continue;
    kernels::RandomBitsSpec spec;
    spec.name = "bits";
    spec.algorithm = golden.algorithm == 1 ? Algorithm::kPhilox : Algorithm::kThreefry;
    spec.state = Operand(0, DType::kU64, {static_cast<int64_t>(golden.state.size())});
    spec.dtype = golden.dtype;
    spec.shape = Shape(golden.shape.begin(), golden.shape.end());
    const Buffer state = device.Upload(golden.state), next = device.Allocate(state.bytes());
    const Buffer bits = device.Allocate(ElementCount(spec.shape) * ByteSize(spec.dtype));
    device.Run(kernels::MakeRandomBits(spec, device.limits()), {state}, {next, bits});
    EXPECT_EQ(device.Download<uint64_t>(next), golden.new_state);
    EXPECT_EQ(Fnv1a(device.Download<uint8_t>(bits)), golden.hash)
        << "algorithm " << golden.algorithm << ", " << Name(golden.dtype) << ", case " << &golden - kGolden;
  }
}

// The vectors that the paper's authors publish for counter and key of all ones and of pi's digits.
TEST(RandomBits, KnownAnswers) {
  Device& device = Device::Get();
  kernels::Emitter e({"known", {1, 1, 1}}, device.limits());
  auto& b = e.b();
  const kernels::Tensor result{kernels::Tensor::Role::kResult, 0, DType::kU32, {12}};
  const auto ones = b.U32(0xffffffff);
  const auto philox_ones = kernels::Philox4x32(e, {ones, ones, ones, ones}, {ones, ones});
  const auto philox_pi =
      kernels::Philox4x32(e, {b.U32(0x243f6a88), b.U32(0x85a308d3), b.U32(0x13198a2e), b.U32(0x03707344)}, {b.U32(0xa4093822), b.U32(0x299f31d0)});
  const auto threefry_ones = kernels::Threefry2x32(e, {ones, ones}, {ones, ones});
  const auto threefry_pi = kernels::Threefry2x32(e, {b.U32(0x243f6a88), b.U32(0x85a308d3)}, {b.U32(0x13198a2e), b.U32(0x03707344)});
  for (uint32_t i = 0; i < 4; ++i) {
    e.WriteLinear(result, b.U32(i), philox_ones[i]);
    e.WriteLinear(result, b.U32(4 + i), philox_pi[i]);
    e.WriteLinear(result, b.U32(8 + i), i < 2 ? threefry_ones[i] : threefry_pi[i - 2]);
  }
  kernels::KernelSequence sequence;
  sequence.kernels.push_back(e.Finish({{}, 1, 1, {}}));
  const Buffer out = device.Allocate(48);
  device.Run(sequence, {}, {out});
  const std::vector<uint32_t> expected = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd, 0xd16cfe09, 0x94fdcceb,
                                          0x5001e420, 0x24126ea1, 0x1cb996fc, 0xbb002be7, 0xc4923a9c, 0x483df7a0};
  EXPECT_EQ(device.Download<uint32_t>(out), expected);
}

}  // namespace
}  // namespace tfvk::testing
