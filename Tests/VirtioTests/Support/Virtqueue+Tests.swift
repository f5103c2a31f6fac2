import Virtio

/// The test expected a request.
struct NoRequest: Error {}

extension Virtqueue {
    /// The batch's next request, which has to be there.
    mutating func popOne() throws -> VirtqueueRequest {
        guard let request = try pop() else { throw NoRequest() }
        return request
    }

    /// A parked request, which has to be there.
    mutating func unparkOne(_ parked: ParkedRequest) throws -> VirtqueueRequest {
        guard let request = unpark(parked) else { throw NoRequest() }
        return request
    }
}
