package fhirtrial;

import ca.uhn.fhir.batch2.api.IJobMaintenanceService;
import ca.uhn.fhir.batch2.maintenance.JobMaintenanceServiceImpl;
import jakarta.annotation.PostConstruct;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.context.annotation.Configuration;

/** Jobs such as bulk exports are looked after twice a second, rather than once a minute. */
@Configuration
public class Jobs {

    private static final long MILLISECONDS = 500;

    @Autowired
    private IJobMaintenanceService jobs;

    @PostConstruct
    void hurry() {
        ((JobMaintenanceServiceImpl) jobs).setScheduledJobFrequencyMillis(MILLISECONDS);
    }
}
