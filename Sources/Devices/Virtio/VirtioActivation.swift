package import GuestMemory
package import Virtio

/// What a device gets when its driver is ready. Plain values: the device makes the queues on the thread that serves
/// them, so that no queue ever changes threads.
package struct VirtioActivation: Sendable {
    /// What both sides agreed on.
    package let features: VirtioFeatures
    /// The queues as the driver set them up, nil for those that it left out. They do not change until a reset.
    package let queues: [VirtqueueState?]
    package let memory: GuestMemory
    package let notifier: VirtioNotifier

    /// The queue `index`; nil if the driver left it out, or if it is wrong, which the notifier hears of.
    package func makeQueue(_ index: Int) -> Virtqueue? {
        guard let state = queues[index] else { return nil }
        do throws(VirtqueueError) {
            return try Virtqueue(state, memory: memory, counters: notifier.counters[index])
        } catch {
            notifier.fail(.queue(index, error))
            return nil
        }
    }
}

extension VirtioNotifier {
    /// Serves one batch of queue `index`, of a device that completes each request at once: what came before the batch
    /// is published together, and what comes after it gets its turn later.
    ///
    /// - Parameter body: carries out a request, and returns how many bytes it wrote.
    package func serveBatch(
        of queue: inout Virtqueue, index: Int, _ body: (borrowing VirtqueueRequest) -> UInt32
    ) {
        queue.disableNotifications()
        var failure: VirtqueueError?
        do throws(VirtqueueError) {
            try queue.beginBatch()
            while let request = try queue.pop() {
                let written = body(request)
                queue.complete(request, written: written)
            }
        } catch { failure = error }
        if queue.publish() { queueUsed(index) }
        if let failure { return fail(.queue(index, failure)) }
        if queue.enableNotifications() { serveAgain(queue: index) }
    }
}
