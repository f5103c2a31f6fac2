/// One image of an OCI layout or of an archive for `docker load`: what it is made of.
struct OCIImage {
    var configuration: OCIConfiguration
    var layers: [Layer]

    struct Layer {
        var path: String
        /// Of the file as it is; nil where only the configuration vouches for it.
        var digest: ImageDigest?
        var size: UInt64?
        /// Of the archive in it.
        var contentDigest: ImageDigest
    }

    private static let deepestIndex = 4

    /// The image that an unpacked archive is for; nil for an archive of files.
    init?(in folder: some BlobFolder, tag: String?) throws(ImageStoreError) {
        if try folder.isOCILayout {
            try self.init(layout: folder, tag: tag)
        } else if try folder.has("manifest.json"),
            let manifests = try? [DockerManifest](json: folder.contents(of: "manifest.json"), "manifest", of: "")
        {
            try self.init(dockerArchive: folder, manifests: manifests, tag: tag)
        } else {
            return nil
        }
    }

    // MARK: OCI layouts

    /// - Parameter tag: which image; nil if there is but one.
    init(layout folder: some BlobFolder, tag: String?) throws(ImageStoreError) {
        let index = try OCIIndex(json: folder.contents(of: "index.json"), "index.json", of: folder.name)
        let descriptor = try Self.choose(from: index.manifests, tag: tag, in: folder)
        let manifest = try OCIManifest(json: Self.blob(descriptor, in: folder), "manifest", of: folder.name)
        configuration = try OCIConfiguration(
            json: Self.blob(manifest.config, in: folder), "configuration", of: folder.name)
        guard manifest.layers.count == configuration.rootfs.diffIDs.count else {
            throw .source(
                folder.name,
                problem: "its manifest has \(manifest.layers.count) layers, its configuration "
                    + "\(configuration.rootfs.diffIDs.count)")
        }
        layers = zip(manifest.layers, configuration.rootfs.diffIDs).map { descriptor, contentDigest in
            Layer(
                path: Self.path(of: descriptor.digest), digest: descriptor.digest, size: descriptor.size,
                contentDigest: contentDigest)
        }
        try checkPlatform(of: folder.name)
    }

    private static func path(of digest: ImageDigest) -> String { "blobs/sha256/\(digest.hexadecimal)" }

    /// A small blob, after its digest was found right.
    private static func blob(_ descriptor: OCIDescriptor, in folder: some BlobFolder) throws(ImageStoreError) -> [UInt8]
    {
        let path = path(of: descriptor.digest)
        let bytes = try folder.contents(of: path)
        let digest = SHA256.digest(of: bytes)
        guard digest == descriptor.digest else {
            throw .source(folder.name, problem: "'\(path)' is damaged: its digest is \(digest)")
        }
        return bytes
    }

    private static func choose(
        from descriptors: [OCIDescriptor], tag: String?, in folder: some BlobFolder, depth: Int = 0
    ) throws(ImageStoreError) -> OCIDescriptor {
        let tagged = tag.map { tag in descriptors.filter { $0.tag == tag } } ?? descriptors
        let candidates = tagged.filter(\.isForThisPlatform)
        guard let chosen = candidates.first else {
            throw .source(
                folder.name,
                problem: tagged.isEmpty
                    ? "it has no image \(tag.map { "'\($0)'" } ?? ""); it has \(names(of: descriptors))"
                    : "it has no image for linux/amd64")
        }
        guard candidates.count == 1 else {
            throw .source(
                folder.name, problem: "it has several images: choose one by --tag. It has \(names(of: candidates))")
        }
        guard chosen.isIndex else { return chosen }
        guard depth < deepestIndex else { throw .source(folder.name, problem: "its index leads to ever more indexes") }
        let index = try OCIIndex(json: blob(chosen, in: folder), "index", of: folder.name)
        return try choose(from: index.manifests, tag: nil, in: folder, depth: depth + 1)
    }

    private static func names(of descriptors: [OCIDescriptor]) -> String {
        let tags = descriptors.compactMap(\.tag)
        return tags.isEmpty ? "none with a tag" : tags.map { "'\($0)'" }.joined(separator: ", ")
    }

    // MARK: Archives for docker load

    init(dockerArchive folder: some BlobFolder, manifests: [DockerManifest], tag: String?) throws(ImageStoreError) {
        let tagged = tag.map { tag in manifests.filter { $0.repoTags?.contains(tag) == true } } ?? manifests
        guard let manifest = tagged.first, tagged.count == 1 else {
            let tags = manifests.flatMap { $0.repoTags ?? [] }.map { "'\($0)'" }.joined(separator: ", ")
            throw .source(
                folder.name,
                problem:
                    "it has \(tagged.isEmpty ? "no such image" : "several images"): choose one by --tag. It has \(tags)"
            )
        }
        configuration = try OCIConfiguration(
            json: folder.contents(of: manifest.config), manifest.config, of: folder.name)
        guard manifest.layers.count == configuration.rootfs.diffIDs.count else {
            throw .source(
                folder.name,
                problem: "its manifest has \(manifest.layers.count) layers, its configuration "
                    + "\(configuration.rootfs.diffIDs.count)")
        }
        layers = zip(manifest.layers, configuration.rootfs.diffIDs).map { Layer(path: $0, contentDigest: $1) }
        try checkPlatform(of: folder.name)
    }

    private func checkPlatform(of source: String) throws(ImageStoreError) {
        guard configuration.os ?? "linux" == "linux", configuration.architecture ?? "amd64" == "amd64" else {
            throw .source(
                source,
                problem: "it is for \(configuration.os ?? "")/\(configuration.architecture ?? ""), not for linux/amd64")
        }
    }
}
