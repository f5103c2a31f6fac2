import Synchronization
package import Virtio

/// The memory balloon (virtio 1.2, section 5.5): takes memory from its guest and gives it back to the host.
///
/// The driver fills the balloon with pages up to the target, and takes them out again when the target, or its own need,
/// says so. It also reports pages that are free anyway. Either way the host has the memory until the guest touches it.
/// Page frames that are not RAM are ignored: nothing is done to them.
package final class VirtioBalloon: VirtioDevice {
    /// Entries of each queue; a driver that reports pages wants 32.
    private static let queueSize: UInt16 = 32
    private static let queueCount = 5

    package let type = VirtioDeviceType.balloon
    package let features: VirtioFeatures = [
        .balloonStatistics, .balloonDeflateOnOutOfMemory, .balloonPagePoison, .balloonPageReporting,
    ]
    package let maximumQueueSizes = [UInt16](repeating: queueSize, count: queueCount)
    package let configuration = VirtioConfigurationSpace([UInt8](repeating: 0, count: BalloonField.end))

    /// Each queue has a lock of its own, which is held while it is served: reset waits for its end.
    private let queues = (0..<queueCount).map { _ in Slot() }
    private let life = Mutex(Life())

    private final class Slot: Sendable {
        let queue = Mutex<BalloonQueue?>(nil)
    }

    private struct Life {
        /// While the device is active.
        var notifier: VirtioNotifier?
        /// Who waits for statistics.
        var questions: [@Sendable (BalloonStatistics?) -> Void] = []
    }

    /// A balloon that is to have `target` pages of 4 KiB.
    package init(target: UInt32 = 0) { configuration.store(target, at: BalloonField.target) }

    /// What is saved beside the transport's state. A driver may say anything, so every state is one to be in.
    package struct State: Codable, Equatable, Sendable {
        package var target, actual, poison: UInt32
    }

    /// A balloon as it was saved.
    package convenience init(_ state: State) {
        self.init(target: state.target)
        configuration.store(state.actual, at: BalloonField.actual)
        configuration.store(state.poison, at: BalloonField.poison)
    }

    /// For saving.
    package var state: State { State(target: target, actual: actual, poison: field(BalloonField.poison)) }

    // MARK: The host's side

    /// Pages of 4 KiB that the balloon is to have. The guest follows as far and as fast as it can.
    package var target: UInt32 {
        get { field(BalloonField.target) }
        set {
            configuration.store(newValue, at: BalloonField.target)
            life.withLock { $0.notifier }?.configurationChanged()
        }
    }

    /// Pages of 4 KiB that the balloon has, as its driver says.
    package var actual: UInt32 { field(BalloonField.actual) }

    /// Asks the guest for statistics.
    /// - Parameter answered: called once, with nil where there is no driver that answers, or when its device is reset;
    ///   from any thread, with no lock held.
    package func requestStatistics(_ answered: @escaping @Sendable (BalloonStatistics?) -> Void) {
        let isPossible = queues[2].queue.withLock { $0?.role == .statistics }
        let isAsked = life.withLock { life in
            guard isPossible, life.notifier != nil else { return false }
            life.questions.append(answered)
            return true
        }
        guard isAsked else { return answered(nil) }
        if let answer = queues[2].queue.withLock({ $0?.ask() }) { tell(answer) }
    }

    private func field(_ offset: Int) -> UInt32 {
        UInt32(truncatingIfNeeded: configuration.read(offset: UInt64(offset), width: 4))
    }

    private func tell(_ answer: BalloonStatistics?) {
        let questions = life.withLock { exchange(&$0.questions, with: []) }
        for answered in questions { answered(answer) }
    }

    // MARK: The driver's side

    package func writeConfiguration(offset: UInt64, width: Int, value: UInt64) {
        guard width == 4, [BalloonField.actual, BalloonField.poison].contains(where: { UInt64($0) == offset }) else {
            return
        }
        configuration.store(UInt32(truncatingIfNeeded: value), at: Int(offset))
    }

    package func activate(_ activation: VirtioActivation) {
        for (index, slot) in queues.enumerated() {
            guard let role = BalloonQueueRole(queue: index, activation.features) else { continue }
            slot.queue.withLock { slot in
                guard let queue = activation.makeQueue(index) else { return }
                slot = BalloonQueue(queue, index: index, role: role, of: activation)
            }
        }
        life.withLock { $0.notifier = activation.notifier }
    }

    package func reset() {
        life.withLock { $0.notifier = nil }
        for slot in queues { slot.queue.withLock { $0 = nil } }
        // The guest has all its memory again.
        configuration.store(0 as UInt32, at: BalloonField.actual)
        configuration.store(0 as UInt32, at: BalloonField.poison)
        tell(nil)
    }

    package func queueNotified(_ index: Int) {
        let poison = field(BalloonField.poison)
        if let answer = queues[index].queue.withLock({ $0?.serve(poison: poison) }) { tell(answer) }
    }

    package var queueStates: [VirtqueueState?]? {
        queues.map { slot in slot.queue.withLock { $0?.state } }
    }
}
