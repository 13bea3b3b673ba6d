/// An archive's bytes, sealed part by part.
#pragma once

#include "hash/aes_gcm.hpp"
#include "hash/hash.hpp"
#include "privacy/archive_keys.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace omnibus::gdpr {

/// Takes an archive piece by piece and hands on its sealed parts; holds one part at most. Use it on one thread.
class SealedParts {
 public:
  /// Stores a sealed part.
  using Store = std::function<void(std::int64_t number, std::string_view sealed)>;

  explicit SealedParts(Store store);
  ~SealedParts();
  SealedParts(SealedParts const&) = delete;
  SealedParts& operator=(SealedParts const&) = delete;

  /// @throws what storing throws
  void write(std::string_view bytes);
  /// Stores the last part.
  void finish();

  AesKey const& key() const { return key_; }
  std::int64_t size() const { return size_; }
  /// Of all bytes; call it once, after finish().
  std::string sha256_hex();

 private:
  struct Digest;
  void store_part();

  Store store_;
  AesKey const key_ = random_aes_key();
  std::unique_ptr<Digest> digest_;
  std::string part_;
  std::int64_t number_ = 0;
  std::int64_t size_ = 0;
};

}  // namespace omnibus::gdpr
