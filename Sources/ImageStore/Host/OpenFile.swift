import HostResources

/// Keeps a descriptor open for a source.
final class OpenFile {
    let descriptor: OwnedFileDescriptor

    init(_ descriptor: consuming OwnedFileDescriptor) { self.descriptor = descriptor }
}
