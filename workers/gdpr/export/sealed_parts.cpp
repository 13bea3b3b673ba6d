#include "workers/gdpr/export/sealed_parts.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

#include <openssl/evp.h>

namespace omnibus::gdpr {

struct SealedParts::Digest {
  Digest() {
    if (context == nullptr || EVP_DigestInit_ex(context, EVP_sha256(), nullptr) != 1)
      throw std::runtime_error("SHA-256 failed");
  }
  Digest(Digest const&) = delete;
  Digest& operator=(Digest const&) = delete;
  ~Digest() { EVP_MD_CTX_free(context); }

  EVP_MD_CTX* context = EVP_MD_CTX_new();
};

SealedParts::SealedParts(Store store) : store_{std::move(store)}, digest_{std::make_unique<Digest>()} {}
SealedParts::~SealedParts() = default;

void SealedParts::write(std::string_view bytes) {
  if (EVP_DigestUpdate(digest_->context, bytes.data(), bytes.size()) != 1) throw std::runtime_error("SHA-256 failed");
  size_ += std::ssize(bytes);
  while (!bytes.empty()) {
    auto const fits = std::min(bytes.size(), privacy::archive_part_bytes - part_.size());
    part_.append(bytes.substr(0, fits));
    bytes.remove_prefix(fits);
    if (part_.size() == privacy::archive_part_bytes) store_part();
  }
}

void SealedParts::finish() {
  if (!part_.empty()) store_part();
}

std::string SealedParts::sha256_hex() {
  Sha256 digest{};
  if (EVP_DigestFinal_ex(digest_->context, digest.data(), nullptr) != 1) throw std::runtime_error("SHA-256 failed");
  return to_hex(digest);
}

void SealedParts::store_part() {
  store_(number_, privacy::seal_part(key_, number_, part_));
  ++number_;
  part_.clear();
}

}  // namespace omnibus::gdpr
