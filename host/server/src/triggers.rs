//! What calls applets besides HTTP: events, schedules, jobs, calls that nobody waits for, lifecycle hooks and health checks.
//!
//! ```text
//! sdk.events, sdk.jobs ──┐                      ┌── schedules   a time has come
//! the API ───────────────┴─> publisher ─> queue <┘
//!                                           │  claim, lease
//!                                        worker ──> runner ──> dispatch (Lane::Worker)
//! ```
//!
//! [`registry`](registry::Registry) knows which handlers want what, `chains` stops loops. The queue is durable; everything here may be
//! killed at any time.

mod cancelling;
mod chains;
pub mod health;
pub mod lifecycle;
pub mod publisher;
pub mod registry;
mod runner;
pub mod schedules;
mod sink;
pub mod worker;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::directory::Directory;
use crate::dispatch::Dispatcher;
use crate::queue::{Queue, QueueError, State};
use cancelling::Running;
use chains::Chains;
use health::HealthChecks;
use publisher::Publisher;
use registry::{Installed, Registry};
use runner::DispatchRunner;
use schedules::Schedules;
use worker::{Runner, Worker, WorkerConfig};

/// Everything that is there before the host is: what applets publish goes to the [`Publisher`], which the host is made with.
#[derive(Debug)]
pub struct Prepared {
    queue: Queue,
    registry: Arc<Registry>,
    chains: Arc<Chains>,
    running: Arc<Running>,
    wake: Arc<Notify>,
    publisher: Arc<Publisher>,
    directory: DirectoryOf,
}

/// For `Debug`.
struct DirectoryOf(Arc<dyn Directory>);

impl std::fmt::Debug for DirectoryOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Directory")
    }
}

impl Prepared {
    /// Reads what is known of handlers and schedules.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`].
    pub async fn new(
        queue: Queue,
        directory: Arc<dyn Directory>,
        installed: Arc<dyn Installed>,
    ) -> Result<Self, QueueError> {
        let registry = Arc::new(Registry::open(queue.clone(), directory.clone(), installed).await?);
        let (chains, running, wake) = (Arc::<Chains>::default(), Arc::<Running>::default(), Arc::<Notify>::default());
        let publisher =
            Arc::new(Publisher::new(queue.clone(), registry.clone(), chains.clone(), running.clone(), wake.clone()));
        Ok(Self { queue, registry, chains, running, wake, publisher, directory: DirectoryOf(directory) })
    }

    /// Takes events and jobs: for [`HostBuilder::events`](belljar::HostBuilder::events) and [`HostBuilder::jobs`](belljar::HostBuilder::jobs).
    pub fn publisher(&self) -> &Arc<Publisher> {
        &self.publisher
    }

    /// Begins to work.
    pub fn start(self, dispatcher: Arc<Dispatcher>, config: WorkerConfig) -> Triggers {
        let runner = Arc::new(DispatchRunner::new(dispatcher.clone(), self.directory.0.clone(), self.chains.clone()));
        self.start_with(runner, Some(dispatcher), config)
    }

    /// Begins to work with another runner than the dispatcher: for tests of what is durable, without applets.
    pub fn start_with_runner(self, runner: Arc<dyn Runner>, config: WorkerConfig) -> Triggers {
        self.start_with(runner, None, config)
    }

    fn start_with(
        self,
        runner: Arc<dyn Runner>,
        dispatcher: Option<Arc<Dispatcher>>,
        config: WorkerConfig,
    ) -> Triggers {
        let Self { queue, registry, running, wake, publisher, .. } = self;
        let worker = Worker::new(queue.clone(), runner, running.clone(), wake.clone(), config);
        let schedules = Schedules::new(queue.clone(), registry.clone(), running.clone(), wake.clone());
        let tasks = vec![tokio::spawn(worker.clone().work()), tokio::spawn(schedules.clone().work())];
        Triggers {
            queue,
            registry,
            publisher,
            worker,
            schedules,
            health: HealthChecks::default(),
            dispatcher,
            running,
            wake,
            tasks: Mutex::new(tasks),
        }
    }
}

/// Triggers at work.
#[derive(Debug)]
pub struct Triggers {
    queue: Queue,
    registry: Arc<Registry>,
    publisher: Arc<Publisher>,
    worker: Arc<Worker>,
    schedules: Arc<Schedules>,
    health: HealthChecks,
    dispatcher: Option<Arc<Dispatcher>>,
    running: Arc<Running>,
    wake: Arc<Notify>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Triggers {
    /// The queue, to look at and to manage.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Takes events and calls.
    pub fn publisher(&self) -> &Arc<Publisher> {
        &self.publisher
    }

    /// Fires schedules.
    pub fn schedules(&self) -> &Arc<Schedules> {
        &self.schedules
    }

    /// Runs deliveries.
    pub fn worker(&self) -> &Arc<Worker> {
        &self.worker
    }

    /// What applets said of their health.
    pub fn health(&self) -> &HealthChecks {
        &self.health
    }

    /// Who calls applets.
    pub fn dispatcher(&self) -> Option<&Arc<Dispatcher>> {
        self.dispatcher.as_ref()
    }

    /// Brings handlers and schedules up to date with the catalog now, rather than when something next asks for them.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`].
    pub async fn sync(&self) -> Result<(), QueueError> {
        self.registry.sync().await
    }

    /// Makes a delivery that waits for its retry due now.
    ///
    /// # Errors
    /// [`QueueError::NotFound`], [`QueueError::WrongState`].
    pub async fn retry(&self, tenant: &str, delivery: u64) -> Result<(), QueueError> {
        self.queue.retry(tenant.to_owned(), delivery).await?;
        self.wake.notify_one();
        Ok(())
    }

    /// Gives out a delivery that has ended again, with all its attempts.
    ///
    /// # Errors
    /// [`QueueError::NotFound`], [`QueueError::WrongState`], [`QueueError::Full`].
    pub async fn replay(&self, tenant: &str, delivery: u64) -> Result<(), QueueError> {
        self.queue.replay(tenant.to_owned(), delivery).await?;
        self.wake.notify_one();
        Ok(())
    }

    /// Gives up a delivery, and ends the call that has it.
    ///
    /// # Errors
    /// [`QueueError::NotFound`], [`QueueError::WrongState`].
    pub async fn drop_delivery(&self, tenant: &str, delivery: u64, why: &str) -> Result<(), QueueError> {
        let removed = self.queue.remove(tenant.to_owned(), delivery, State::Dropped, why.to_owned()).await?;
        if removed.was_running {
            self.running.cancel(delivery);
        }
        // What waited for it may begin.
        self.wake.notify_one();
        Ok(())
    }

    /// Fires and takes no more, waits up to `grace` for what runs, ends the rest and closes the queue. Whether everything ended by itself.
    pub async fn stop(&self, grace: Duration) -> bool {
        self.schedules.stop();
        let in_time = self.worker.stop(grace).await;
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of the triggers has panicked");
            }
        }
        self.queue.close().await;
        in_time
    }
}

#[cfg(test)]
mod tests;
